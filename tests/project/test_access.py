"""Every operation: anonymous, with a key without the scope, as another user, owner and admin."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.documents.predictions.cloudevents.inference_server import STRUCTURED
from tests.documents.predictions.factories import NDJSON
from tests.project.access_data import AccessData
from tests.project.access_matrix import ACCESS_MATRIX, CALLERS, AccessRow

FORMS = ("auth_token", "auth_revoke")
CONTENT_TYPES = {
    "predictions_stream": NDJSON,
    "labels_stream": NDJSON,
    "products_import": NDJSON,
    "predictions_create_cloudevents": STRUCTURED,
}


@pytest.fixture(scope="module")
def access_data(state: State, module_anonymous_client: httpx2.AsyncClient) -> AccessData:
    return AccessData(state, module_anonymous_client)


def operations(app: FastAPI) -> dict[str, tuple[str, str]]:
    """Return the method and the address of each operation."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_access_matrix_names_every_operation(app: FastAPI) -> None:
    named = {name.partition(" ")[0] for name in ACCESS_MATRIX}
    assert named ^ set(operations(app)) == set(), (
        "see ACCESS_MATRIX in tests/project/access_matrix.py"
    )


def test_openapi_secures_every_operation_but_the_open_ones(app: FastAPI) -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            name = operation["operationId"]
            assert name in ACCESS_MATRIX, f"add {name} to tests/project/access_matrix.py"
            row = ACCESS_MATRIX[name]
            secured = [scheme for scheme in operation.get("security", ()) if scheme]
            assert bool(secured) == (row.anonymous == 401 or path == "/v1/users"), (method, path)


async def request_of(
    operation: str, row: AccessRow, data: AccessData, app: FastAPI
) -> dict[str, Any]:
    method, path = operations(app)[operation]
    url = await data.path(path, row.parameters) + row.query
    request: dict[str, Any] = {"method": method, "url": url}
    if row.body is None:
        return request
    body = await data.body(row.body)
    if operation in FORMS:
        return {**request, "data": body}
    if operation in CONTENT_TYPES:
        headers = CONTENT_TYPES[operation]
        return {**request, "content": json.dumps(body).encode(), "headers": headers}
    return {**request, "json": body}


@pytest.mark.parametrize("name", ACCESS_MATRIX)
async def test_access_each_caller_gets_the_status_of_the_matrix(
    name: str, app: FastAPI, access_data: AccessData, module_anonymous_client: httpx2.AsyncClient
) -> None:
    """Refused callers change nothing and come first; a new resource leaves the others as they are.

    Any other success means new data for the next request.
    """
    operation, row, wrong = name.partition(" ")[0], ACCESS_MATRIX[name], []
    if operation == "users_erase":
        access_data.forget()  # an owner of accounts with money is not erased
    for caller in sorted(CALLERS, key=lambda caller: getattr(row, caller) < 400):
        request = await request_of(operation, row, access_data, app)
        credentials = await access_data.headers(caller, operation)
        request["headers"] = {**request.get("headers", {}), **credentials}
        answer = await module_anonymous_client.request(**request)
        challenge = answer.headers.get("www-authenticate", "")
        unexplained = answer.status_code == 401 and not challenge.startswith("Bearer")
        if unexplained or answer.status_code != getattr(row, caller):
            wrong.append((caller, answer.status_code, answer.text))
        if answer.is_success and answer.status_code != 201 and request["method"] != "GET":
            access_data.forget()
    assert not wrong
