"""ETag, If-Match and If-None-Match, as RFC 9110 has them."""

import httpx2
import pytest

from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"2"', 200),
        ("*", 200),
        ('"1", "2"', 200),
        ('W/"1" , "2"', 200),
        ('"2.17"', 200),
        ('"1"', 412),
        ('W/"2"', 412),
        ('""', 412),
        ('"x"', 412),
        ('"99999999999999999999"', 412),
        ('"-2"', 412),
        ('"²"', 412),
        ("2", 400),
        ('"2', 400),
        ('"2" "3"', 400),
        ("W/2", 400),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_if_match_allows_the_versions_it_names(
    client: httpx2.AsyncClient, method: str, header: str, status: int
) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    before = (await client.patch(address, json={"age": 2})).json()
    body = {"age": 3} if method == "PATCH" else None
    response = await client.request(
        method, address, json=body, headers={b"If-Match": header.encode()}
    )
    assert response.status_code == (204 if status == 200 and method == "DELETE" else status)
    if status != 200:
        assert response.json()["code"] == {412: "precondition_failed", 400: "bad_request"}[status]
        assert (await client.get(address)).json() == before


@pytest.mark.parametrize("header", ["*", '"1"'])
async def test_if_match_on_deleted_resource_is_404(client: httpx2.AsyncClient, header: str) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    await client.delete(address)
    response = await client.patch(address, json={"age": 3}, headers={"If-Match": header})
    assert response.status_code == 404


async def test_if_match_holds_for_actions(client: httpx2.AsyncClient) -> None:
    address = f"/v1/posts/{(await make_post(client))['id']}"
    stale = await client.post(f"{address}/publish", headers={"If-Match": '"7"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (await client.get(address)).json()["published"] is False
    etag = (await client.get(address)).headers["etag"]
    done = await client.post(f"{address}/publish", headers={"If-Match": etag})
    assert done.status_code == 200
    assert done.headers["etag"] == (await client.get(address)).headers["etag"] != etag


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"2"', 304),
        ('W/"2"', 304),
        ('"1", "2"', 304),
        ("*", 304),
        ('"1"', 200),
        ('""', 200),
        ("2", 400),
    ],
)
async def test_if_none_match_is_304_for_the_same_etag(
    client: httpx2.AsyncClient, header: str, status: int
) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    await client.patch(address, json={"age": 2})
    response = await client.get(address, headers={"If-None-Match": header})
    assert response.status_code == status
    if status == 304:
        assert (response.content, response.headers["etag"]) == (b"", '"2"')
