"""Every list on PostgreSQL, found from the routes, and what is asked of it."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from service.stores.sql.route import SqlRoute
from tests.project.large_dataset import FEW, HALFWAY, MANY, numbered

PAGING = {"limit", "cursor", "sort", "count", "offset", "expand"}
_LONG_AGO, _NEVER = "1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z"
_TIMES = {"created_at__gte": (_NEVER, HALFWAY), "created_at__lt": (_LONG_AGO, HALFWAY)}
_WHOSE = (numbered(FEW), numbered(MANY))
EXPANDS = {
    "posts_list": "author,tags",
    "posts_list_of_user": "author,tags",
    "products_list": "category",
}
# What each filter is asked for: what few rows have, then what many have.
FILTERS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "users_list": {
        **_TIMES,
        "q": ("eldom", "grac", "ame", "example", "ho gr", "seldom 7722"),
        "name": ("seldom 7722", "grace hopper"),
        "name__prefix": ("seldom", "name"),
        "city": ("nowhere", "paris", "london"),
        "age": (149, 18),
        "age__gte": (149, 20),
        "age__lte": (17, 70),
        "status": ("suspended", "pending", "active"),
        "is_active": (False, True),
        "deleted": (True,),
    },
    "users_list_emails": {"is_active": (False, True)},
    "tags_list": {"q": ("g7777", "tag"), "name__prefix": ("tag7777", "tag")},
    "posts_list": {
        **_TIMES,
        "q": ("seldom", "sometimes", "everywhere"),
        "tag": ("tag7", "tag8", "none"),
        "published": (False, True),
        "author_id": _WHOSE,
    },
    "posts_list_of_user": {
        **_TIMES,
        "q": ("seldom", "sometimes", "everywhere"),
        "tag": ("tag7", "tag8", "none"),
        "published": (False, True),
    },
    "comments_list": {},
    "categories_list": {"parent_id": (numbered(11), numbered(1))},
    "products_list": {
        **_TIMES,
        "q": ("seldom", "sometimes", "every", "s-77", "very"),
        "category_id": (numbered(500), numbered(2), numbered(1)),
        "price__gte": ("9999.00", "10.00"),
        "price__lte": ("0.00", "400.00"),
        "in_stock": (False, True),
        "currency": ("XAU", "USD", "EUR"),
        "deleted": (True,),
    },
    "products_list_movements": _TIMES,
    "orders_list": {
        **_TIMES,
        "user_id": _WHOSE,
        "state": ("cancelled", "paid", "placed", "fulfilled"),
    },
    "accounts_list": {"owner_id": _WHOSE},
    "entries_list": _TIMES,
    "transfers_list": {**_TIMES, "account_id": _WHOSE},
    "projects_list": {"deleted": (True,), "my_role": ("owner", "viewer", "admin")},
    "project_members_list": {},
    "invitations_list": {},
    "invitations_list_mine": {},
    "api_keys_list": {"user_id": _WHOSE},
    "audit_events_list": {
        **_TIMES,
        "act": ("token_reused", "key_created", "login"),
        "user_id": _WHOSE,
        "subject_id": _WHOSE,
    },
}


class List(NamedTuple):
    """One list as its address and the OpenAPI document show it."""

    name: str
    path: str
    filters: frozenset[str]
    sorts: tuple[str, ...]
    expand: str | None

    def asked(self) -> Iterator[dict[str, Any]]:
        """Yield queries in every order: without a filter, with each filter, and with ``expand``."""
        assert self.name in FILTERS, f"add {self.name} to FILTERS in list_endpoints.py"
        for sort in self.sorts:
            yield {"sort": sort}
            for name, values in FILTERS[self.name].items():
                for value in values:
                    yield {"sort": sort, name: value}
            if self.expand is not None:
                yield {"sort": sort, "expand": self.expand}


def lists_of(app: FastAPI) -> list[List]:
    """Return the lists on PostgreSQL: the endpoints that take a cursor."""
    operations = app.openapi()["paths"]
    found = []
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, SqlRoute) or "GET" not in (route.methods or ()):
            continue
        operation = operations[route.path_format]["get"]
        queries = {
            parameter["name"]: parameter["schema"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        if "cursor" in queries:
            name = operation["operationId"]
            filters = frozenset(queries) - PAGING - {"fields"}
            expand = None
            if "expand" in queries:
                assert name in EXPANDS, f"add {name} to EXPANDS in list_endpoints.py"
                expand = EXPANDS[name]
            sorts = tuple(queries["sort"]["enum"])
            found.append(List(name, str(route.path_format), filters, sorts, expand))
    return found
