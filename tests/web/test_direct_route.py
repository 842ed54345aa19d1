"""Endpoints that are called without FastAPI answer as they would with it."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import Header, Query, Request, Response
from pydantic import BaseModel

from service.documents.predictions.reading.schemas import PredictionQuery
from service.web.direct_route import as_plain
from service.web.pagination import ListQuery, Paging


class Many(BaseModel):
    tag: list[str] = []


async def takes_the_request(request: Request) -> Response:
    raise NotImplementedError


async def takes_a_query(query: Annotated[ListQuery, Query()], paginator: Paging) -> Response:
    raise NotImplementedError


async def takes_a_header(x: Annotated[str, Header()], request: Request) -> Response:
    raise NotImplementedError


async def takes_a_path(user_id: UUID) -> Response:
    raise NotImplementedError


async def takes_a_body(many: Many) -> Response:
    raise NotImplementedError


async def takes_all_of_a_kind(many: Annotated[Many, Query()]) -> Response:
    raise NotImplementedError


async def gives_a_model(request: Request) -> Many:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("endpoint", "plain"),
    [
        (takes_the_request, True),
        (takes_a_query, True),
        (takes_a_header, False),
        (takes_a_path, False),
        (takes_a_body, False),
        (takes_all_of_a_kind, False),
        (gives_a_model, False),
    ],
)
def test_what_needs_fastapi_is_left_to_it(endpoint: Callable[..., Any], plain: bool) -> None:
    assert (as_plain(endpoint) is not None) is plain


# Lists of predictions are plain, those of items are not; what both take is taken alike.
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
async def test_a_query_is_read_as_fastapi_reads_it(
    client: httpx2.AsyncClient, query: str, status: int, pointer: str | None
) -> None:
    told = []
    for path in ("/v1/predictions", "/v1/items"):
        answer = await client.get(f"{path}?{query}")
        body = answer.json()
        pointers = sorted(each["pointer"] for each in body.get("errors", ()))
        details = [] if "fields" in query else body.get("errors", [])
        told.append((answer.status_code, body.get("code"), pointers, _known(details)))
    assert told[0] == told[1]
    assert told[0][0] == status
    assert pointer is None or pointer in told[0][2]


def _known(errors: list[dict[str, str]]) -> list[dict[str, str]]:
    """Without the details of ``sort``, of which each list has its own."""
    return [each for each in errors if each["pointer"] != "/query/sort"]


async def test_what_a_filter_refuses_is_named(client: httpx2.AsyncClient) -> None:
    for name, value in (("user_id", "x"), ("timestamp__gte", "2026-01-01"), ("status", "good")):
        assert name in PredictionQuery.model_fields
        answer = await client.get("/v1/predictions", params={name: value})
        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == [f"/query/{name}"]
