"""Endpoints that are called directly response as they would through FastAPI."""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel

from service.documents.predictions.reading.schemas import PredictionQuery
from service.relational.posts.schemas import PostQuery
from service.relational.users.schemas import UserQuery
from service.web.direct_route import query_parameters, read_query
from service.web.lists.pagination import ListQuery
from service.web.mlflow.messages import ROOTS
from service.web.route import Route, policy

DIRECT = {
    ("GET", "/v1/posts"),
    ("GET", "/v1/predictions"),
    ("GET", "/v1/users"),
    ("POST", "/v1/predictions"),
    *(
        ("POST", f"{root}/2.0/mlflow/runs/{name}")
        for root in ROOTS
        for name in ("log-metric", "log-batch")
    ),
}


def test_direct_routes_are_these(app: FastAPI) -> None:
    routes = [route for route in app.routes if isinstance(route, Route) and route.policy.direct]
    assert {(method, route.path) for route in routes for method in route.methods or ()} == DIRECT


async def takes_nothing() -> Response:
    raise NotImplementedError


async def takes_path(request: Request, user_id: UUID) -> Response:
    raise NotImplementedError


async def takes_query(query: Annotated[ListQuery, Query()]) -> Response:
    raise NotImplementedError


async def takes_unannotated(request) -> Response:  # type: ignore[no-untyped-def] # the case
    raise NotImplementedError


async def returns_model(request: Request) -> ListQuery:
    raise NotImplementedError


@pytest.mark.parametrize(
    "endpoint", [takes_nothing, takes_path, takes_query, takes_unannotated, returns_model]
)
def test_policy_direct_with_other_signature_raises(endpoint: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=endpoint.__name__):
        policy(direct=True)(endpoint)


class OddQuery(BaseModel):
    """Query types that direct routes do not have yet."""

    tag: str
    age: int | None = None
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize("model", [PredictionQuery, UserQuery, PostQuery, OddQuery])
def test_query_parameters_equal_the_parameters_of_fastapi(model: type[BaseModel]) -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(query: Annotated[model, Query()]) -> None:  # type: ignore[valid-type] # of the case
        raise NotImplementedError

    described = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert query_parameters(model)["parameters"] == described


def test_query_repeated_parameter_last_value_counts() -> None:
    request = Request({"type": "http", "query_string": b"limit=1&limit=7", "headers": []})
    assert read_query(ListQuery, request).limit == 7


async def test_direct_page_has_link_to_next(client: httpx2.AsyncClient) -> None:
    for name in ("a", "b"):
        user = {"name": name, "username": f"user_{name}", "email": f"{name}@example.com"}
        assert (await client.post("/v1/users", json=user)).status_code == 201
    first = await client.get("/v1/users?limit=1&status=active&sort=created_at&fields=username")
    second = await client.get(first.links["next"]["url"])
    usernames = [page.json()["items"][0]["username"] for page in (first, second)]
    assert usernames == ["user_a", "user_b"]


# The list of predictions is direct, that of items is not; both read a query alike.
ODD = [
    ("limit=2&limit=1", 200, None),
    ("limit=1&limit=x", 422, "/query/limit"),
    ("limit=x&limit=1", 200, None),
    ("limit=", 422, "/query/limit"),
    ("limit=0", 422, "/query/limit"),
    ("limit=+1", 200, None),
    ("limit=999999", 200, None),
    ("n4me=x", 400, "/query/n4me"),
    ("n4me=x&limit=x", 400, "/query/limit"),
    ("count=some", 422, "/query/count"),
    ("sort=x", 422, "/query/sort"),
    ("cursor=x", 400, None),
    ("limit", 422, "/query/limit"),
    ("&&limit=1&", 200, None),
    ("limit=1;count=exact", 422, "/query/limit"),
    ("fields=x", 422, "/query/fields"),
    ("%6Cimit=1", 200, None),
]


@pytest.mark.parametrize(("query", "status", "pointer"), ODD)
async def test_direct_query_is_read_as_by_fastapi(
    client: httpx2.AsyncClient, query: str, status: int, pointer: str | None
) -> None:
    results = []
    for path in ("/v1/predictions", "/v1/items"):
        response = await client.get(f"{path}?{query}")
        body = response.json()
        pointers = sorted(error["pointer"] for error in body.get("errors", ()))
        details = [] if "fields" in query else body.get("errors", [])
        results.append((response.status_code, body.get("code"), pointers, _known(details)))
    assert results[0] == results[1]
    assert results[0][0] == status
    assert pointer is None or pointer in results[0][2]


def _known(errors: list[dict[str, str]]) -> list[dict[str, str]]:
    """Without the details that name what each list has: its ``sort`` and its parameters."""
    return [
        error
        for error in errors
        if error["pointer"] != "/query/sort" and error["code"] != "extra_forbidden"
    ]


async def test_direct_query_invalid_filter_has_pointer(client: httpx2.AsyncClient) -> None:
    for name, value in (("user_id", ""), ("timestamp__gte", "2026-01-01"), ("status", "good")):
        assert name in PredictionQuery.model_fields
        response = await client.get("/v1/predictions", params={name: value})
        assert response.status_code == 422
        assert [error["pointer"] for error in response.json()["errors"]] == [f"/query/{name}"]
