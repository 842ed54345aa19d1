"""Idempotency-Key on POSTs to PostgreSQL: a retry repeats the response, not the effect."""

import httpx2
import pytest
import sqlalchemy

from service.main import State
from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user, send_all, user_body


async def count_users(client: httpx2.AsyncClient) -> int:
    total: int = (await client.get("/v1/users?count=exact&limit=1")).json()["total"]
    return total


async def test_key_retry_returns_first_response_unchanged(client: httpx2.AsyncClient) -> None:
    body, key = user_body(name="Zoë"), {"Idempotency-Key": "once"}
    first = await client.post("/v1/users", json=body, headers=key)
    assert "idempotency-replayed" not in first.headers
    address = first.headers["location"]
    await client.patch(address, json={"name": "Changed since"})
    again = await client.post("/v1/users", json=body, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (201, first.content)
    for name in ("content-type", "etag", "location"):
        assert again.headers[name] == first.headers[name]
    assert await count_users(client) == 1


async def test_key_64_concurrent_requests_have_one_effect(client: httpx2.AsyncClient) -> None:
    body, key = user_body(), {"Idempotency-Key": "many at once"}
    answers = await send_all(client, "POST", "/v1/users", *[{"json": body, "headers": key}] * 64)
    done = [answer for answer in answers if answer.status_code == 201]
    (first,) = [answer for answer in done if "idempotency-replayed" not in answer.headers]
    assert all(answer.content == first.content for answer in done)
    for answer in answers:
        if answer not in done:
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"
    assert await count_users(client) == 1
    replay = await client.post("/v1/users", json=body, headers=key)
    assert (replay.status_code, replay.content) == (201, first.content)
    assert replay.headers["idempotency-replayed"] == "true"


async def test_key_with_other_body_or_url_is_refused(client: httpx2.AsyncClient) -> None:
    body, key = user_body(), {"Idempotency-Key": "mine"}
    await client.post("/v1/users", json=body, headers=key)
    for address, other in (
        ("/v1/users", {**body, "age": 1}),
        ("/v1/users/bulk", {"items": [user_body()]}),
        ("/v1/tags", {"name": "x"}),
    ):
        answer = await client.post(address, json=other, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await count_users(client) == 1


async def test_key_of_failed_request_is_free(client: httpx2.AsyncClient) -> None:
    taken, key = await make_user(client), {"Idempotency-Key": "corrected"}
    refused = await client.post("/v1/users", json=user_body(email=taken["email"]), headers=key)
    assert refused.status_code == 409
    assert (await client.post("/v1/users", json=user_body(), headers=key)).status_code == 201


async def test_key_action_without_body_is_done_once(client: httpx2.AsyncClient) -> None:
    one, other = await make_post(client), await make_post(client)
    key = {"Idempotency-Key": "seen"}
    answers = [await client.post(f"/v1/posts/{one['id']}/views", headers=key) for _ in range(3)]
    assert [answer.json()["views"] for answer in answers] == [1, 1, 1]
    reused = await client.post(f"/v1/posts/{other['id']}/views", headers=key)
    assert reused.status_code == 422


async def test_key_expires_after_24_hours(client: httpx2.AsyncClient, state: State) -> None:
    address = f"/v1/posts/{(await make_post(client))['id']}/views"
    for key in ("old", "other"):
        await client.post(address, headers={"Idempotency-Key": key})
    async with state["sql"].engine.begin() as connection:
        aged = "UPDATE idempotency_keys SET created_at = now() - interval '24 hours'"
        await connection.execute(sqlalchemy.text(aged))
    fresh = await client.post(address, headers={"Idempotency-Key": "old"})
    assert (fresh.json()["views"], "idempotency-replayed" in fresh.headers) == (3, False)
    replay = await client.post(address, headers={"Idempotency-Key": "old"})
    assert replay.content == fresh.content
    async with state["sql"].engine.connect() as connection:
        kept = await connection.scalar(sqlalchemy.text("SELECT count(*) FROM idempotency_keys"))
        assert kept == 1, "expired keys are deleted by later requests"


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\there", "k\u00e9y"])
async def test_key_invalid_is_refused(client: httpx2.AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await client.post("/v1/users", json=user_body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert await count_users(client) == 0


async def test_key_of_255_characters_is_accepted(client: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "~" * 255}
    for replayed in (None, "true"):
        answer = await client.post("/v1/tags", json={"name": "x"}, headers=headers)
        assert answer.headers.get("idempotency-replayed") == replayed


async def test_key_is_ignored_on_patch(client: httpx2.AsyncClient) -> None:
    address, key = f"/v1/users/{(await make_user(client))['id']}", {"Idempotency-Key": "patch"}
    for age in (1, 2):
        changed = await client.patch(address, json={"age": age}, headers=key)
        assert changed.json()["age"] == age
