"""Every list on PostgreSQL, found from the routes, and what is asked of it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from service.stores.sql.route import SqlRoute
from tests.project.large_dataset import FEW, HALFWAY, MANY, numbered

PAGING = {"limit", "cursor", "sort", "count", "offset", "page", "page_size", "expand"}
_LONG_AGO, _NEVER = "1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z"
_TIMES = {"created_at__gte": (_NEVER, HALFWAY), "created_at__lt": (_LONG_AGO, HALFWAY)}
_WHOSE = (numbered(FEW), numbered(MANY))
SEVERAL = {"in", "ne", "null"}  # asked in few orders, as the planner treats them like equality
EXPANDS = {
    "posts_list": "author,tags,comments",
    "posts_list_of_user": "author,tags,comments",
    "products_list": "category",
}
# What each filter is asked for: what few rows have, then what many have.
FILTERS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "users_list": {
        **_TIMES,
        "q": ("eldom", "grac", "ame", "example", "ho gr", "seldom 7722"),
        "username": ("NOBODY",),
        "username__in": ("nobody,nothing",),
        "email": ("User7@example.com",),
        "email__in": ("user7@example.com,USER8@example.com",),
        "name": ("seldom 7722", "grace hopper"),
        "name__null": (True, False),
        "name__prefix": ("seldom", "name"),
        "city": ("nowhere", "paris", "london"),
        "city__in": ("nowhere,elsewhere", "paris,nowhere", "london,paris"),
        "city__null": (True, False),
        "age": (149, 18),
        "age__in": ("149,148", "18,149", "30,31"),
        "age__null": (True, False),
        "age__gte": (149, 20),
        "age__lte": (17, 70),
        "status": ("suspended", "pending", "active"),
        "status__in": ("suspended,inactive", "pending,suspended", "active,pending"),
        "status__ne": ("active", "suspended"),
        "role": ("admin", "editor", "member"),
        "role__in": ("admin,service", "member,admin"),
        "role__ne": ("member", "admin"),
        "is_active": (False, True),
        "deleted": (True,),
    },
    "users_list_emails": {**_TIMES, "is_active": (False, True)},
    "tags_list": {
        **_TIMES,
        "q": ("g7777", "tag"),
        "name": ("TAG7777", "none"),
        "name__in": ("tag7,tag8,none",),
        "name__prefix": ("tag7777", "tag"),
    },
    "posts_list": {
        **_TIMES,
        "q": ("seldom", "sometimes", "everywhere"),
        "tag": ("tag7", "tag8", "none"),
        "slug": ("title-77", "none"),
        "published": (False, True),
        "views__gte": (976, 10),
        "views__lte": (0, 900),
        "author_id": _WHOSE,
        "author_id__in": (f"{numbered(FEW)},{numbered(9)}", ",".join(_WHOSE)),
    },
    "posts_list_of_user": {
        **_TIMES,
        "q": ("seldom", "sometimes", "everywhere"),
        "tag": ("tag7", "tag8", "none"),
        "slug": ("title-77", "none"),
        "published": (False, True),
        "views__gte": (976, 10),
        "views__lte": (0, 900),
    },
    "comments_list": {**_TIMES, "author_id": (numbered(49),)},
    "categories_list": {
        "name": ("All", "Category 7"),
        "parent_id": (numbered(11), numbered(1)),
        "parent_id__null": (True, False),
    },
    "products_list": {
        **_TIMES,
        "q": ("seldom", "sometimes", "every", "s-77", "very"),
        "sku": ("s-77", "none"),
        "sku__in": ("s-77,S-78,none",),
        "name": ("none",),
        "category_id": (numbered(500), numbered(2), numbered(1)),
        "category_id__null": (True, False),
        "price__gte": ("9999.00", "10.00"),
        "price__lte": ("0.00", "400.00"),
        "in_stock": (False, True),
        "currency": ("XAU", "USD", "EUR"),
        "currency__in": ("XAU,CHF", "USD,XAU", "EUR,USD"),
        "deleted": (True,),
    },
    "products_list_movements": _TIMES,
    "orders_list": {
        **_TIMES,
        "user_id": _WHOSE,
        "state": ("cancelled", "paid", "placed", "fulfilled"),
        "state__in": ("cancelled,fulfilled", "paid,cancelled", "placed,paid"),
        "state__ne": ("placed", "cancelled"),
    },
    "accounts_list": {**_TIMES, "owner_id": _WHOSE},
    "entries_list": _TIMES,
    "transfers_list": {**_TIMES, "account_id": _WHOSE},
    "projects_list": {"deleted": (True,), "my_role": ("owner", "viewer", "admin")},
    "registered_models_list": {
        "name": ("model-77", "none"),
        "project_id": _WHOSE,
        "filter": (
            "name = 'model-77'",
            "name IN ('model-77', 'model-78')",
            "tags.team = 'seldom'",
            "tags.team = 'often'",
            "tags.`mlflow.prompt.is_prompt` = 'true'",
        ),
    },
    "model_versions_list": {
        "stage": ("Archived", "Staging", "Production"),
        "run_id": ("run-7", "none"),
    },
    "experiments_list": {
        "name": ("experiment 77", "none"),
        "project_id": _WHOSE,
        "deleted": (True,),
    },
    "logged_models_list": {"name": ("model 77", "none")},
    "project_members_list": {},
    "invitations_list": {},
    "invitations_list_mine": {},
    "api_keys_list": {**_TIMES, "user_id": _WHOSE},
    "audit_events_list": {
        **_TIMES,
        "act": ("token_reused", "key_created", "login"),
        "act__in": ("token_reused,login_failed", "key_created,token_reused", "login,key_created"),
        "user_id": _WHOSE,
        "user_id__null": (True, False),
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
    takes_numbers: bool

    def asked(self) -> Iterator[dict[str, Any]]:
        """Yield queries in every order: without a filter, with each filter, and with ``expand``."""
        assert self.name in FILTERS, f"add {self.name} to FILTERS in list_endpoints.py"
        for sort in self.sorts:
            yield {"sort": sort}
            if "," in sort or (sort.startswith("-") and sort != "-created_at"):
                continue  # an index is read in both directions
            for name, values in FILTERS[self.name].items():
                if self.is_default(sort) or name.rpartition("__")[2] not in SEVERAL:
                    yield from ({"sort": sort, name: value} for value in values)
            if self.expand is not None:
                yield {"sort": sort, "expand": self.expand}
            if self.takes_numbers and self.is_default(sort) and sort != "committed":
                yield {"sort": sort, "page": 3}

    def is_default(self, sort: str) -> bool:
        """Return whether the list has this order without a sort, or the order of most others."""
        return sort in {"-created_at", self.sorts[0]}


def lists_of(app: FastAPI) -> list[List]:
    """Return the lists on PostgreSQL: the endpoints that take a cursor and a sort.

    Searches take names with a direction instead; ``test_search_plans.py`` has them.
    """
    operations = app.openapi()["paths"]
    found = []
    for route in iter_route_contexts(app.routes):
        if not isinstance(route.original_route, SqlRoute) or "GET" not in (route.methods or ()):
            continue
        if not route.original_route.include_in_schema:
            continue  # MLflow's addresses
        operation = operations[route.path_format]["get"]
        queries = {
            parameter["name"]: parameter["schema"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        if {"cursor", "sort"} <= queries.keys():
            name = operation["operationId"]
            filters = frozenset(queries) - PAGING - {"fields"}
            expand = None
            if "expand" in queries:
                assert name in EXPANDS, f"add {name} to EXPANDS in list_endpoints.py"
                expand = EXPANDS[name]
            sorts, takes_numbers = tuple(sorts_of(queries["sort"])), "page" in queries
            path = str(route.path_format)
            found.append(List(name, path, filters, sorts, expand, takes_numbers))
    return found


def sorts_of(schema: Mapping[str, Any]) -> list[str]:
    """Return each order by one field, and behind each first field another one, in mixed order."""
    if "enum" in schema:
        return list(schema["enum"])
    first, others = (
        found.split("|") for found in re.findall(r"-\?\(([a-z_|]+)\)", schema["pattern"])
    )
    refined = [(one, next(other for other in reversed(others) if other != one)) for one in first]
    followed = ["committed"] if "committed" in schema["pattern"] else []
    mixed = [
        f"{sign}{one},{turned}{other}"
        for one, other in refined
        for sign, turned in (("-", ""), ("", "-"))
    ]
    return [*followed, *(sign + one for one in first for sign in ("", "-")), *mixed]
