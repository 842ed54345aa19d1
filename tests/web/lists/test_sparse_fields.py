"""``fields=`` on lists and single things of both stores."""

import httpx2
import pytest

from tests.documents.items.factories import make_item
from tests.relational.users.factories import make_user, make_users


async def test_fields_of_a_list(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    page = (await client.get("/v1/users?fields=id,email&limit=2&sort=username")).json()
    assert [set(item) for item in page["items"]] == [{"id", "email"}] * 2
    assert page["page"]["has_more"]
    assert page["total"] is None


async def test_fields_are_the_same_on_the_next_page(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    first = await client.get("/v1/users?fields=id&limit=2")
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    (last,) = (await client.get(link)).json()["items"]
    assert set(last) == {"id"}
    assert last not in first.json()["items"]


async def test_fields_do_not_change_the_etag(client: httpx2.AsyncClient) -> None:
    user, item = await make_user(client), await make_item(client)
    for address in (f"/v1/users/{user['id']}", f"/v1/items/{item['id']}"):
        whole, part = await client.get(address), await client.get(f"{address}?fields=version")
        assert part.json() == {"version": 1}
        assert part.headers["etag"] == whole.headers["etag"]
        again = await client.get(
            f"{address}?fields=version", headers={"If-None-Match": part.headers["etag"]}
        )
        assert again.status_code == 304


async def test_fields_may_name_nested_objects(client: httpx2.AsyncClient) -> None:
    user = await make_user(client)
    post = {"title": "One", "author_id": user["id"], "published": True}
    assert (await client.post("/v1/posts", json=post)).status_code == 201
    page = (await client.get("/v1/posts?expand=author&fields=author,title")).json()
    assert page["items"] == [
        {"title": "One", "author": {"id": user["id"], "username": user["username"], "name": None}}
    ]


@pytest.mark.parametrize("fields", ["", "x", "id,", "id, email", "password_hash", "items", "%00"])
async def test_fields_unknown_is_422_with_the_known_ones(
    client: httpx2.AsyncClient, fields: str
) -> None:
    for address in ("/v1/users", "/v1/tags"):
        response = await client.get(f"{address}?fields={fields}")
        assert response.status_code == 422
        (error,) = response.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/query/fields", "unknown_field")
        assert "created_at" in error["detail"]


async def test_fields_on_a_write_is_an_error(client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/users?fields=id", json={"username": "ada", "email": "a@b.c"})
    assert response.status_code in (400, 422)
