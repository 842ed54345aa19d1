"""Tickets: a browser's EventSource opens one tail with one, for a while, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from service.auth.access_tokens import Keyring
from service.auth.caller import InvalidToken
from service.documents.predictions.tail import tickets
from service.main import State
from service.web import permission_recheck
from tests.auth.factories import LoggedInUser, bearer, create_key, create_user
from tests.documents.predictions.factories import make_event, post_batch
from tests.documents.predictions.live_server import serving
from tests.documents.predictions.sse_client import TAIL, open_tail
from tests.documents.predictions.tail.test_follow_log import no_tails_left, read_end

__all__ = ["no_tails_left"]
pytestmark = pytest.mark.usefixtures("reset_stores", "no_tails_left")
PAGE = "https://dashboard.example"


@pytest.fixture
async def admin(state: State, anonymous_client: httpx2.AsyncClient) -> LoggedInUser:
    return await create_user(state, "admin")


@pytest.fixture
async def port(state: State) -> AsyncIterator[int]:
    """A served application that authenticates for real."""
    async with serving(state, authenticator=state["authenticator"], cors_origins=PAGE) as port:
        yield port


async def ticket_for(
    client: httpx2.AsyncClient, headers: dict[str, str], **filters: str
) -> dict[str, str]:
    """Return the query of the address that a new ticket opens."""
    response = await client.post(f"{TAIL}/tickets", json=filters, headers=headers)
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    url = urlsplit(response.json()["url"])
    assert url.path == TAIL
    query = dict(parse_qsl(url.query))
    assert query == {**filters, "ticket": response.json()["ticket"]}
    return query


async def test_ticket_opens_its_tail_and_reconnects_as_a_browser(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, client: httpx2.AsyncClient, port: int
) -> None:
    query = await ticket_for(anonymous_client, admin.headers, model="fraud", tag="a=b&c")
    first, second = (make_event(model="fraud", tags={"a": "b&c"}) for _ in range(2))
    async with open_tail(port, headers={"Origin": PAGE}, **query) as tail:
        await post_batch(client, [make_event(model="churn"), first])
        assert await tail.events(1) == [first["prediction_id"]]
        last_id = tail.last_id
    await post_batch(client, [second])
    async with open_tail(port, last_id, {}, **query) as tail:
        assert await tail.events(1) == [second["prediction_id"]]
    assert last_id is not None
    async with open_tail(
        port, None, {}, after=last_id, **query
    ) as tail:  # as a page that renews its ticket
        assert await tail.events(1) == [second["prediction_id"]]


async def test_tail_with_ticket_is_readable_from_allowed_origin(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, port: int
) -> None:
    query = await ticket_for(anonymous_client, admin.headers)
    address = f"http://127.0.0.1:{port}{TAIL}"
    async with (
        httpx2.AsyncClient() as browser,
        browser.stream("GET", address, params=query, headers={"Origin": PAGE}) as response,
    ):
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == PAGE


async def test_ticket_for_another_tail_is_refused(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser
) -> None:
    query = await ticket_for(anonymous_client, admin.headers, model="fraud")
    for changed in ({"model": "churn"}, {"status": "error"}, {"model": ""}):
        response = await anonymous_client.get(TAIL, params={**query, **changed})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket"), changed
        assert query["ticket"] not in response.text
    response = await anonymous_client.get(TAIL, params={"ticket": query["ticket"]})
    assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket")


async def test_ticket_is_no_token_and_token_no_ticket(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, state: State
) -> None:
    query = await ticket_for(anonymous_client, admin.headers)
    for path in (TAIL, "/v1/predictions"):
        response = await anonymous_client.get(path, headers=bearer(query["ticket"]))
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
    response = await anonymous_client.get("/v1/predictions/export", params=query)
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")
    key = await create_key(state, admin.id, "predictions:read")
    for ticket in (admin.token, key, "", "x.y.z", "x" * 5000):
        response = await anonymous_client.get(TAIL, params={"ticket": ticket})
        assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket")


async def test_ticket_expired_opens_nothing(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "LIFETIME", timedelta(seconds=-1))
    query = await ticket_for(anonymous_client, admin.headers)
    response = await anonymous_client.get(TAIL, params=query)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket")


async def test_tail_opened_by_ticket_outlives_it_and_ends_with_its_key(
    anonymous_client: httpx2.AsyncClient,
    admin: LoggedInUser,
    client: httpx2.AsyncClient,
    state: State,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permission_recheck, "RECHECK_INTERVAL_SECONDS", 0.05)
    key = await create_key(state, admin.id, "predictions:read")
    query = await ticket_for(anonymous_client, bearer(key))
    async with open_tail(port, headers={}, **query) as tail:
        with monkeypatch.context() as patched:
            patched.setattr(Keyring, "read_ticket", _expired)
            for event in (make_event(), make_event()):  # a check lies between them
                await post_batch(client, [event])
                assert await tail.events(1) == [event["prediction_id"]]
        await anonymous_client.delete(f"/v1/api_keys/{key.split('_')[1]}", headers=admin.headers)
        assert (await read_end(tail))["code"] == "invalid_ticket"
    response = await anonymous_client.get(TAIL, params=query)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket")


def _expired(_keyring: Keyring, _ticket: str) -> Any:
    raise InvalidToken


async def test_ticket_of_disabled_user_opens_nothing(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, state: State
) -> None:
    query = await ticket_for(anonymous_client, admin.headers)
    boss = await create_user(state, "admin")
    path = f"/v1/users/{admin.id}"
    response = await anonymous_client.patch(path, json={"is_active": False}, headers=boss.headers)
    assert response.status_code == 200
    response = await anonymous_client.get(TAIL, params=query)
    assert (response.status_code, response.json()["code"]) == (401, "invalid_ticket")


async def test_ticket_of_bound_key_needs_its_model(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser, state: State
) -> None:
    key = await create_key(state, admin.id, "predictions:read", models=["fraud-*"])
    for filters in ({}, {"model": "churn"}):
        response = await anonymous_client.post(f"{TAIL}/tickets", json=filters, headers=bearer(key))
        assert (response.status_code, response.json()["code"]) == (403, "model_forbidden")
    await ticket_for(anonymous_client, bearer(key), model="fraud-eu")


async def test_tail_opened_by_ticket_ends_after_its_longest_time(
    anonymous_client: httpx2.AsyncClient,
    admin: LoggedInUser,
    client: httpx2.AsyncClient,
    port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tail that was opened by the header goes on."""
    monkeypatch.setattr(tickets, "TAIL_SECONDS", 0.0)
    query = await ticket_for(anonymous_client, admin.headers)
    async with open_tail(port, headers={}, **query) as tail, asyncio.timeout(30):
        reason = await read_end(tail)
    assert (reason["status"], reason["code"]) == (401, "invalid_ticket")
    assert "hour" in reason["detail"]
    async with open_tail(port, headers=admin.headers) as tail:
        event = make_event()
        await post_batch(client, [event])
        assert await tail.events(1) == [event["prediction_id"]]


async def test_ticket_for_an_address_too_long_is_refused_when_issued(
    anonymous_client: httpx2.AsyncClient, admin: LoggedInUser
) -> None:
    async def issue(length: int) -> httpx2.Response:
        filters = {"tag": "a=b", "model": "é" * length}
        return await anonymous_client.post(f"{TAIL}/tickets", json=filters, headers=admin.headers)

    shortest = len((await issue(0)).json()["url"])
    fits = (tickets.MAX_URL_BYTES - shortest) // len("%C3%A9")
    refused = await issue(fits + 1)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/model")
    url = (await issue(fits)).json()["url"]
    answer = await anonymous_client.get(f"{url}&after={'x' * 1000}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_event_id")


async def test_ticket_is_in_no_log_problem_or_metric(
    anonymous_client: httpx2.AsyncClient,
    admin: LoggedInUser,
    port: int,
    capfd: pytest.CaptureFixture[str],
) -> None:
    query = await ticket_for(anonymous_client, admin.headers)
    async with open_tail(port, headers={}, **query):
        pass
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        refused = await browser.get(TAIL, params={**query, "n4me": "x"})
        metrics = await browser.get("/metrics")
    assert json.loads(refused.content)["instance"] == TAIL
    logged = ""
    async with asyncio.timeout(30):
        while logged.count(f'"path": "{TAIL}"') < 2:  # an open tail is logged at its end
            logged += "".join(capfd.readouterr())
            await asyncio.sleep(0.02)
    shown = "".join([logged, refused.text, metrics.text, f"{refused.headers}"])
    assert query["ticket"][-40:] not in shown
