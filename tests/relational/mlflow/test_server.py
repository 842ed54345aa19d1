"""MLflow's addresses about the server, unknown ones, and the errors of all of them."""

import httpx2
import pytest

from service.relational.mlflow.server_router import PROTOCOL_VERSION

CREATE, GET = "/api/2.0/mlflow/experiments/create", "/api/2.0/mlflow/experiments/get"


async def test_server_answers_what_clients_ask(anonymous_client: httpx2.AsyncClient) -> None:
    health, version = [await anonymous_client.get(path) for path in ("/health", "/version")]
    assert (health.status_code, health.text) == (200, "OK")
    assert (version.status_code, version.text) == (200, PROTOCOL_VERSION)
    for root in ("/api", "/ajax-api"):
        answer = await anonymous_client.get(f"{root}/3.0/mlflow/server-info")
        assert answer.json() == {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
        }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/2.0/mlflow/traces", 404),
        ("GET", "/api/3.0/mlflow/traces/search", 404),
        ("GET", "/api/4.0/mlflow/experiments/get", 404),
        ("GET", "/ajax-api/2.0/nothing", 404),
        ("DELETE", CREATE, 405),
    ],
)
async def test_address_unknown_has_the_code_that_clients_know(
    client: httpx2.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, "ENDPOINT_NOT_FOUND")


async def test_credentials_missing_are_asked_for_as_basic_too(
    anonymous_client: httpx2.AsyncClient,
) -> None:
    answer = await anonymous_client.get(GET)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    challenge = answer.headers["www-authenticate"]
    assert challenge == 'Basic realm="polystore", Bearer realm="polystore"'
    ours = await anonymous_client.get("/v1/me")
    assert ours.headers["www-authenticate"] == 'Bearer realm="polystore"'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "name: This field is required."),
        ("", "name: This field is required."),
        ("[]", "body: Send an object."),
        ('"text"', "body: Send an object."),
        ("null", "body: Send an object."),
        ("{", "body: Send JSON in UTF-8."),
        (r'{"name": "\ud800"}', "body: Send JSON in UTF-8."),
        (r'{"name": "a\u0000"}', "name: Must not contain the NUL character."),
        ('{"name": null}', "name: Send text."),
        ('{"name": "a", "tags": [null]}', "tags/0: Send an object."),
        ('{"name": "a", "tags": {}}', "tags: Send a list."),
    ],
)
async def test_body_is_refused_with_what_to_do(
    client: httpx2.AsyncClient, body: str, message: str
) -> None:
    answer = await client.post(CREATE, content=body)
    problem = answer.json()
    assert (answer.status_code, problem["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert problem["message"] == message


async def test_body_nested_deeply_or_with_bytes_is_refused(client: httpx2.AsyncClient) -> None:
    for body in (b'{"x":' * 100_000, b'{"name": "\xff"}', b"[" * 100_000):
        answer = await client.post(CREATE, content=body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


async def test_nul_in_a_query_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.get(f"{GET}?experiment_id=%00")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
