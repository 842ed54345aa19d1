"""``fields=`` on lists and single things of both stores."""

import httpx2
import pytest

from tests.documents.items.factories import make_item
from tests.relational.users.factories import make_user, make_users


async def test_a_list_shows_the_fields_that_are_asked_for(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    page = (await client.get("/v1/users?fields=id,email&limit=2&sort=username")).json()
    assert [set(each) for each in page["items"]] == [{"id", "email"}] * 2
    assert page["page"]["has_more"]
    assert page["total"] is None


async def test_the_next_page_has_the_same_fields(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    first = await client.get("/v1/users?fields=id&limit=2")
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    (last,) = (await client.get(link)).json()["items"]
    assert set(last) == {"id"}
    assert last not in first.json()["items"]


async def test_one_thing_keeps_its_etag(client: httpx2.AsyncClient) -> None:
    user, item = await make_user(client), await make_item(client)
    for address in (f"/v1/users/{user['id']}", f"/v1/items/{item['id']}"):
        whole, part = await client.get(address), await client.get(f"{address}?fields=version")
        assert part.json() == {"version": 1}
        assert part.headers["etag"] == whole.headers["etag"]
        again = await client.get(
            f"{address}?fields=version", headers={"If-None-Match": part.headers["etag"]}
        )
        assert again.status_code == 304


async def test_what_is_nested_is_a_field(client: httpx2.AsyncClient) -> None:
    user = await make_user(client)
    post = {"title": "One", "author_id": user["id"], "published": True}
    assert (await client.post("/v1/posts", json=post)).status_code == 201
    page = (await client.get("/v1/posts?expand=author&fields=author,title")).json()
    assert page["items"] == [
        {"title": "One", "author": {"id": user["id"], "username": user["username"], "name": None}}
    ]


@pytest.mark.parametrize("fields", ["", "x", "id,", "id, email", "password_hash", "items", "%00"])
async def test_an_unknown_field_is_refused_with_those_there_are(
    client: httpx2.AsyncClient, fields: str
) -> None:
    for address in ("/v1/users", "/v1/tags"):
        answer = await client.get(f"{address}?fields={fields}")
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert (error["pointer"], error["code"]) == ("/query/fields", "unknown_field")
        assert "created_at" in error["detail"]


async def test_what_writes_takes_no_fields(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/users?fields=id", json={"username": "ada", "email": "a@b.c"})
    assert answer.status_code in (400, 422)
