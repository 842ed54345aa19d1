"""Concurrent changes of one version, on real commits."""

import asyncio
from collections import Counter

import httpx2

from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user, send_all


async def test_change_64_with_one_version_one_succeeds(client: httpx2.AsyncClient) -> None:
    url = f"/v1/users/{(await make_user(client))['id']}"
    headers = {"If-Match": '"1"'}
    requests = [{"json": {"age": age}, "headers": headers} for age in range(64)]
    responses = await send_all(client, "PATCH", url, *requests)
    assert Counter(response.status_code for response in responses) == {200: 1, 412: 63}
    (changed,) = (response.json() for response in responses if response.status_code == 200)
    assert (await client.get(url)).json() == changed
    assert changed["version"] == 2


async def test_change_32_without_version_all_are_counted(client: httpx2.AsyncClient) -> None:
    url = f"/v1/users/{(await make_user(client))['id']}"
    responses = await send_all(client, "PATCH", url, *({"json": {"age": n}} for n in range(32)))
    assert sorted(response.json()["version"] for response in responses) == list(range(2, 34))


async def test_change_and_removal_of_one_version_one_succeeds(client: httpx2.AsyncClient) -> None:
    for _ in range(8):
        url = f"/v1/posts/{(await make_post(client))['id']}"
        headers = {"If-Match": '"1"'}
        changed, removed = await asyncio.gather(
            client.patch(url, json={"title": "x"}, headers=headers),
            client.delete(url, headers=headers),
        )
        assert (changed.status_code, removed.status_code) in {(200, 412), (404, 204)}
