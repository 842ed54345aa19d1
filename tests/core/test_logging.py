"""Each log entry is one line of JSON, whatever it contains."""

import json

import httpx2
import pytest


async def test_request_is_logged_as_one_json_line(
    client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/v1/users/%0A%1B[31m{%22event%22:%22forged%22}"
    response = await client.get(path, headers={"User-Agent": "a\tb"})
    lines = capsys.readouterr().out.splitlines()
    entries = [json.loads(line) for line in lines]
    (entry,) = [
        entry for entry in entries if entry["request_id"] == response.headers["x-request-id"]
    ]
    assert (entry["event"], entry["status"], entry["method"]) == ("request", 422, "GET")
    assert entry["route"] == "/v1/users/{user_id}"


async def test_request_id_is_kept_if_harmless(client: httpx2.AsyncClient) -> None:
    safe = await client.get("/livez", headers={"X-Request-Id": "checkout-7.1_a"})
    assert safe.headers["x-request-id"] == "checkout-7.1_a"
    odd = await client.get("/livez", headers={"X-Request-Id": "x" * 65})
    assert odd.headers["x-request-id"] != "x" * 65
