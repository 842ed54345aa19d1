"""Logs are one line of JSON each, whatever is in them."""

import json

import httpx2
import pytest


async def test_a_request_is_one_line_of_json_with_its_id(
    client: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    path = "/v1/users/%0A%1B[31m{%22event%22:%22forged%22}"
    response = await client.get(path, headers={"User-Agent": "a\tb"})
    lines = capsys.readouterr().out.splitlines()
    told = [json.loads(line) for line in lines]
    (mine,) = [each for each in told if each["request_id"] == response.headers["x-request-id"]]
    assert (mine["event"], mine["status"], mine["method"]) == ("request", 422, "GET")
    assert mine["route"] == "/v1/users/{user_id}"


async def test_an_id_is_taken_over_if_it_is_harmless(client: httpx2.AsyncClient) -> None:
    mine = await client.get("/livez", headers={"X-Request-Id": "checkout-7.1_a"})
    assert mine.headers["x-request-id"] == "checkout-7.1_a"
    odd = await client.get("/livez", headers={"X-Request-Id": "x" * 65})
    assert odd.headers["x-request-id"] != "x" * 65
