"""Any bytes as a body get 2xx or a short 4xx, and an invalid item never costs its neighbours."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings

from service.main import State
from tests.documents.predictions.cloudevents.inference_server import BATCH
from tests.documents.predictions.cloudevents.inference_server import PATH as CLOUD_EVENTS
from tests.documents.predictions.factories import JSON, NDJSON, make_event
from tests.project.access_data import AccessData
from tests.project.access_matrix import ACCESS_MATRIX, CLOUDEVENT, PRODUCT
from tests.project.bodies import CANARY, Change, bodies, changes
from tests.project.test_access import CONTENT_TYPES, FORMS, operations

few = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WITH_BODY = {
    name.partition(" ")[0]: row for name, row in ACCESS_MATRIX.items() if row.body is not None
}


@pytest.fixture(scope="module")
def access_data(state: State, module_anonymous_client: httpx2.AsyncClient) -> AccessData:
    return AccessData(state, module_anonymous_client)


def test_any_body_is_sent_to_every_operation_with_one(app: FastAPI) -> None:
    with_body = {
        operation["operationId"]
        for methods in app.openapi()["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert with_body - set(WITH_BODY) == set(), "give it a body in tests/project/access_matrix.py"


@few
@given(to_bytes=bodies)
@example(to_bytes=lambda _body: b'{"\\ud83d": 1}')
async def test_any_body_gets_2xx_or_a_short_4xx(
    to_bytes: Callable[[Any], bytes],
    app: FastAPI,
    module_client: httpx2.AsyncClient,
    access_data: AccessData,
) -> None:
    wrong = []
    for operation, row in WITH_BODY.items():
        method, path = operations(app)[operation]
        url = await access_data.path(path, row.parameters) + row.query
        body = await access_data.body(row.body)
        headers, content = CONTENT_TYPES.get(operation, JSON), to_bytes(body)
        if operation in FORMS:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            content = content[:2000] + urlencode(body).encode()
        answer = await module_client.request(method, url, content=content, headers=headers)
        if answer.is_success:
            access_data.forget()
        elif answer.status_code >= 500 or CANARY in answer.text or len(answer.content) >= 4096:
            wrong.append((operation, answer.status_code, answer.text))
    assert not wrong


def in_items(items: Sequence[str]) -> bytes:
    return f'{{"items": [{",".join(items)}]}}'.encode()


def in_lines(items: Sequence[str]) -> bytes:
    return "\n".join(items).encode()


def in_array(items: Sequence[str]) -> bytes:
    return f"[{','.join(items)}]".encode()


def a_product() -> dict[str, Any]:
    return {**PRODUCT, "sku": uuid4().hex}


def a_user() -> dict[str, Any]:
    name = f"n{uuid4().hex[:12]}"
    return {"username": name, "email": f"{name}@example.com"}


def a_label() -> dict[str, Any]:
    return {"prediction_id": str(uuid4()), "label": 1, "observed_at": "2026-01-06T00:00:00Z"}


LISTS: list[tuple[str, dict[str, str], Callable[[Sequence[str]], bytes], Callable[[], Any]]] = [
    ("/v1/predictions/batch", JSON, in_items, make_event),
    ("/v1/predictions/stream", NDJSON, in_lines, make_event),
    (CLOUD_EVENTS, BATCH, in_array, lambda: {**CLOUDEVENT, "id": uuid4().hex}),
    ("/v1/labels/batch", JSON, in_items, a_label),
    ("/v1/labels/stream", NDJSON, in_lines, a_label),
    ("/v1/users/bulk?atomic=false", JSON, in_items, a_user),
    ("/v1/products/bulk?atomic=false", JSON, in_items, a_product),
    ("/v1/products/import", NDJSON, in_lines, a_product),
]
URLS = [url for url, *_ in LISTS]


def outcomes(answer: httpx2.Response) -> list[bool]:
    """Return for each of three items whether it was stored."""
    if "ndjson" in answer.headers["content-type"]:
        lines = [json.loads(line) for line in answer.content.split(b"\n") if line]
        failed = {error["line"] for line in lines for error in line["errors"]}
        return [number not in failed for number in (1, 2, 3)]
    results = answer.json()
    return [result["status"] < 300 for result in results.get("results", results.get("items"))]


@few
@given(change=changes())
@example(change=lambda _item: {"\ud83d": 1})
@example(change=lambda item: {**item, "\ud83d" * 20_000: "\ud83d"})
@pytest.mark.parametrize(("url", "headers", "join", "make"), LISTS, ids=URLS)
async def test_invalid_item_never_costs_its_neighbours(
    url: str,
    headers: dict[str, str],
    join: Callable[[Sequence[str]], bytes],
    make: Callable[[], Any],
    change: Change,
    module_client: httpx2.AsyncClient,
) -> None:
    items = [make(), change(make()), make()]
    content = join([json.dumps(item) for item in items])
    answer = await module_client.post(url, content=content, headers=headers)
    assert answer.status_code in (200, 207), answer.text
    first, _, last = outcomes(answer)
    assert (first, last) == (True, True), answer.text
