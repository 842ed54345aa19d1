"""Users: concurrent uniqueness and atomic bulk requests."""

from collections import Counter

import httpx2
import pytest

from tests.relational.users.factories import make_user, send_all, user_body


@pytest.mark.parametrize("field", ["email", "username"])
async def test_create_taken_email_or_username_in_any_case_conflicts(
    client: httpx2.AsyncClient, field: str
) -> None:
    made = await make_user(client)
    for _ in ("alive", "deleted"):
        answer = await client.post("/v1/users", json=user_body(**{field: made[field].upper()}))
        assert (answer.status_code, answer.json()["code"]) == (409, f"{field}_taken")
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
        await client.delete(f"/v1/users/{made['id']}")


async def test_create_64_concurrent_with_one_email_one_succeeds(client: httpx2.AsyncClient) -> None:
    bodies = [{"json": user_body(email=f"{'aA'[n % 2]}da@example.com")} for n in range(64)]
    answers = await send_all(client, "POST", "/v1/users", *bodies)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 63}
    codes = {answer.json().get("code") for answer in answers}
    assert codes == {None, "email_taken"}
    listed = (await client.get("/v1/users", params={"count": "exact"})).json()
    (winner,) = (answer.json() for answer in answers if answer.status_code == 201)
    assert (listed["items"], listed["total"]) == ([winner], 1)


async def test_bulk_create_taken_fields_are_named_and_nothing_stored(
    client: httpx2.AsyncClient,
) -> None:
    taken = await make_user(client, email="İda@example.com")
    items = [
        user_body(),
        user_body(email="İDA@example.com"),
        user_body(username=taken["username"].upper()),
        user_body(username="twice", email="twice@example.com"),
        user_body(username="TWICE", email="Twice@example.com"),
    ]
    answer = await client.post("/v1/users/bulk", json={"items": items})
    assert (answer.status_code, answer.json()["code"]) == (409, "users_taken")
    places = [(error["pointer"], error["code"]) for error in answer.json()["errors"]]
    assert places == [
        ("/items/1/email", "email_taken"),
        ("/items/2/username", "username_taken"),
        ("/items/4/email", "email_taken"),
        ("/items/4/username", "username_taken"),
    ]
    assert (await client.get("/v1/users")).json()["items"] == [taken]


async def test_bulk_create_concurrent_same_users_one_succeeds(client: httpx2.AsyncClient) -> None:
    items = [user_body() for _ in range(50)]
    answers = await send_all(client, "POST", "/v1/users/bulk", *[{"json": {"items": items}}] * 2)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert (await client.get("/v1/users?count=exact")).json()["total"] == 50
