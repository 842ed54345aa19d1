"""Routes of tags: success and errors."""

from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from tests.relational.posts.factories import make_post
from tests.relational.tags.factories import make_tag
from tests.relational.users.factories import iterate_pages, send_all
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import NON_ATOMIC, deadlocks, item_results, status_code_places


async def test_tag_is_created_read_renamed_and_removed(client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/tags", json={"name": "data bases"})
    made = response.json()
    assert (response.status_code, response.headers["etag"], made["version"]) == (201, '"1"', 1)
    address = response.headers["location"]
    assert (await client.get(address)).json() == made
    renamed = await client.patch(address, json={"name": "Databases"})
    assert (renamed.status_code, renamed.headers["etag"]) == (200, '"2"')
    assert (await client.get(address)).json()["name"] == "Databases"
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).status_code == 404


async def test_create_existing_name_in_any_case_returns_the_tag(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_tag(client, "Größe")
    again = await client.post("/v1/tags", json={"name": "GRÖßE"})
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, made, '"1"')
    assert again.headers["location"] == f"/v1/tags/{made['id']}"
    key = {"Idempotency-Key": "one"}
    for _ in range(2):
        replayed = await client.post("/v1/tags", json={"name": "größe"}, headers=key)
        assert (replayed.status_code, replayed.json()) == (200, made)
    assert replayed.headers["idempotency-replayed"] == "true"


async def test_rename_to_taken_name_in_any_case_conflicts(client: httpx2.AsyncClient) -> None:
    await make_tag(client, "Größe")
    other = await make_tag(client, "other")
    answer = await client.patch(f"/v1/tags/{other['id']}", json={"name": "größe"})
    assert (answer.status_code, answer.json()["code"]) == (409, "tag_name_taken")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/name"]


async def test_create_32_concurrent_with_one_name_one_is_made(client: httpx2.AsyncClient) -> None:
    bodies = [{"json": {"name": ("Sql", "sql")[n % 2]}} for n in range(32)]
    answers = await send_all(client, "POST", "/v1/tags", *bodies)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 31}
    assert len({answer.json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize("name", ["", " a", "a ", "\n", "n" * 61, "a\x00", None, 5, ["a"]])
async def test_create_invalid_name_is_refused(client: httpx2.AsyncClient, name: Any) -> None:
    made = await make_tag(client, "plain")
    for answer in (
        await client.post("/v1/tags", json={"name": name}),
        await client.patch(f"/v1/tags/{made['id']}", json={"name": name}),
    ):
        assert answer.status_code == 422
        assert {error["pointer"].split("/")[1] for error in answer.json()["errors"]} == {"name"}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_tag_unknown_id_is_not_found(client: httpx2.AsyncClient, method: str) -> None:
    body = {"name": "x"} if method == "PATCH" else None
    answer = await client.request(method, f"/v1/tags/{uuid4()}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "tag_not_found")


async def test_list_is_sorted_by_name_and_filtered_by_prefix(
    client: httpx2.AsyncClient,
) -> None:
    names = ["a", "b", "ba", "Bb", "b_", "b%", "c"]
    for name in names:
        await make_tag(client, name)
    pages = await iterate_pages(client, "/v1/tags", {"limit": 3})
    assert [tag["name"] for page in pages for tag in page] == sorted(names)
    answer = await client.get("/v1/tags", params={"name__prefix": "B", "sort": "-name"})
    assert [tag["name"] for tag in answer.json()["items"]] == ["ba", "b_", "b%", "b", "Bb"]
    answer = await client.get("/v1/tags", params={"name__prefix": "b_"})
    assert [tag["name"] for tag in answer.json()["items"]] == ["b_"]


async def test_remove_detaches_tag_from_posts(client: httpx2.AsyncClient) -> None:
    post = await make_post(client, tags=["keep", "drop"])
    tags = (await client.get("/v1/tags?name__prefix=drop")).json()["items"]
    assert (await client.delete(f"/v1/tags/{tags[0]['id']}")).status_code == 204
    expanded = (await client.get(f"/v1/posts/{post['id']}?expand=tags")).json()
    assert [tag["name"] for tag in expanded["tags"]] == ["keep"]


async def test_bulk_put_creates_missing_tags_and_returns_all(
    client: httpx2.AsyncClient, state: State
) -> None:
    stored = await make_tag(client, "Databases")
    names = ["python", "DATABASES", "İstanbul", "Python"]
    items = [{"name": name} for name in names]
    answer = await client.post("/v1/tags/bulk", json={"items": items})
    assert answer.status_code == 200, answer.text
    python, databases, istanbul, again = answer.json()["items"]
    assert (python["name"], databases, istanbul["name"]) == ("python", stored, "İstanbul")
    assert again == python
    assert len((await client.get("/v1/tags")).json()["items"]) == 3

    broken = [{"name": "new"}, {"name": ""}, {"name": "python"}]
    refusal = await client.post("/v1/tags/bulk", json={"items": broken})
    assert (refusal.status_code, status_code_places(refusal)[2][0][0]) == (422, "/items/1/name")
    answer = await client.post("/v1/tags/bulk", params=NON_ATOMIC, json={"items": broken})
    assert item_results(answer) == [
        (201, None, []),
        (422, "invalid", ["/items/1/name"]),
        (200, None, []),
    ]
    counts = []
    for many in (2, 1000):
        items = [{"name": f"{many} {n}"} for n in range(many)]
        with recorded_statements(state) as statements:
            answer = await client.post("/v1/tags/bulk", json={"items": items})
        assert [tag["name"] for tag in answer.json()["items"]] == [item["name"] for item in items]
        counts.append(len(statements))
    assert counts == [2, 2]


async def test_bulk_put_concurrent_same_names_create_each_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    names = [{"name": f"tag {n}"} for n in range(1000)]
    with deadlocks(state) as deadlocked:
        answers = await send_all(
            client,
            "POST",
            "/v1/tags/bulk",
            *[{"json": {"items": order}} for order in (names, names[::-1], names[500:])] * 2,
        )
    assert deadlocked == []
    ids = [{tag["id"] for tag in answer.json()["items"]} for answer in answers]
    assert len(set.union(*ids)) == 1000


async def test_name_in_two_forms_is_one_tag(client: httpx2.AsyncClient, state: State) -> None:
    old = "cafe\u0301"  # as it was stored before
    async with state["sql"].engine.begin() as connection:
        values = {"id": uuid4(), "name": old}
        await connection.execute(text("INSERT INTO tags (id, name) VALUES (:id, :name)"), values)
    for name in ("café", "CAFE\u0301"):
        answer = await client.post("/v1/tags", json={"name": name})
        assert (answer.status_code, answer.json()["name"]) == (200, old)
        found = await client.get("/v1/tags", params={"name__prefix": name})
        assert [tag["name"] for tag in found.json()["items"]] == [old]
    post = await make_post(client, tags=["café"])
    posts = (await client.get("/v1/posts", params={"tag": "CAFÉ"})).json()["items"]
    assert [found["id"] for found in posts] == [post["id"]]


async def test_search_of_tags_finds_parts(client: httpx2.AsyncClient) -> None:
    for name in ("data-bases", "node.js", "Größe"):
        await make_tag(client, name)
    for q, names in (("base", ["data-bases"]), ("js", ["node.js"]), ("ross", ["Größe"])):
        answer = await client.get("/v1/tags", params={"q": q})
        assert [tag["name"] for tag in answer.json()["items"]] == names
