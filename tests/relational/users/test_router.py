"""Routes of users: success and errors."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
import sqlalchemy

from service.main import State
from tests.relational.users.factories import make_user, make_users, user_body

FIELDS = {"name": "Ada Lovelace", "age": 36, "city": "London", "bio": "First.", "status": "pending"}


async def test_create_returns_location_and_etag(client: httpx2.AsyncClient) -> None:
    body = user_body(**FIELDS)
    response = await client.post("/v1/users", json=body)
    made = response.json()
    assert (response.status_code, response.headers["etag"]) == (201, '"1"')
    assert made.items() >= {**body, "is_active": True, "version": 1, "deleted_at": None}.items()
    read = await client.get(response.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, '"1"')


async def test_patch_keeps_absent_fields_and_clears_null_fields(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_user(client, **FIELDS)
    patch = {"city": "Paris", "bio": None, "is_active": False}
    response = await client.patch(f"/v1/users/{made['id']}", json=patch)
    assert (response.status_code, response.headers["etag"]) == (200, '"2"')
    changed = response.json()
    assert changed["updated_at"] >= made["updated_at"]
    assert changed == {**made, **patch, "version": 2, "updated_at": changed["updated_at"]}
    assert (await client.get(f"/v1/users/{made['id']}")).json() == changed


async def test_deleted_user_is_hidden_until_restored(client: httpx2.AsyncClient) -> None:
    made = await make_user(client, **FIELDS)
    address = f"/v1/users/{made['id']}"
    assert (await client.delete(address)).status_code == 204
    for answer in (
        await client.get(address),
        await client.patch(address, json={"city": "Rome"}),
        await client.delete(address),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")
    assert (await client.get("/v1/users")).json()["items"] == []
    assert (await client.get("/v1/users/emails")).json()["items"] == []
    (deleted,) = (await client.get("/v1/users", params={"deleted": "true"})).json()["items"]
    assert deleted["id"] == made["id"]
    assert deleted["deleted_at"].endswith("Z")
    for _ in range(2):  # restoring a user who is not deleted changes nothing
        restored = (await client.post(f"{address}/restore")).json()
        assert restored == {**made, "version": 3, "updated_at": restored["updated_at"]}
    assert (await client.get("/v1/users", params={"deleted": "true"})).json()["items"] == []


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"age": 1}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
    ],
)
async def test_user_unknown_id_is_not_found(
    client: httpx2.AsyncClient, method: str, tail: str, body: Any
) -> None:
    answer = await client.request(method, f"/v1/users/{uuid4()}{tail}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")
    odd = await client.request(method, f"/v1/users/7{tail}", json=body)
    assert odd.status_code == 422
    assert [error["pointer"] for error in odd.json()["errors"]] == ["/path/user_id"]


@pytest.mark.parametrize("field", ["email", "username"])
async def test_patch_taken_email_or_username_conflicts(
    client: httpx2.AsyncClient, field: str
) -> None:
    one, other = await make_users(client, {}, {})
    patch = {field: one[field].upper(), "city": "Paris"}
    answer = await client.patch(f"/v1/users/{other['id']}", json=patch)
    assert (answer.status_code, answer.json()["code"]) == (409, f"{field}_taken")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
    assert (await client.get(f"/v1/users/{other['id']}")).json() == other
    own = await client.patch(f"/v1/users/{one['id']}", json={field: one[field].upper()})
    assert own.status_code == 200, "the own name in another case is free"


async def test_email_list_holds_id_and_email_only(
    client: httpx2.AsyncClient,
) -> None:
    one, other = await make_users(client, {}, {"is_active": False})
    listed = (await client.get("/v1/users/emails", params={"sort": "created_at"})).json()["items"]
    assert listed == [{"id": user["id"], "email": user["email"]} for user in (one, other)]
    active = (await client.get("/v1/users/emails", params={"is_active": "true"})).json()["items"]
    assert [user["id"] for user in active] == [one["id"]]


async def test_bulk_create_keeps_order_of_request(client: httpx2.AsyncClient) -> None:
    bodies = [user_body(age=age) for age in range(100)]
    response = await client.post("/v1/users/bulk", json={"items": bodies})
    assert response.status_code == 201
    made = response.json()["items"]
    assert [user["username"] for user in made] == [body["username"] for body in bodies]
    assert (await client.get(f"/v1/users/{made[42]['id']}")).json() == made[42]


async def test_bulk_deactivate_changes_all_or_none(client: httpx2.AsyncClient) -> None:
    users = await make_users(client, {}, {}, {})
    ids = [user["id"] for user in users]
    await client.delete(f"/v1/users/{ids[2]}")
    refused = await client.post(
        "/v1/users/bulk/deactivate", json={"items": [ids[0], str(uuid4()), ids[1], ids[2]]}
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "user_not_found")
    pointers = [error["pointer"] for error in refused.json()["errors"]]
    assert pointers == ["/items/1", "/items/3"]
    assert (await client.get(f"/v1/users/{ids[0]}")).json() == users[0]

    done = await client.post("/v1/users/bulk/deactivate", json={"items": [ids[1], ids[0], ids[1]]})
    assert done.status_code == 200
    changed = [(user["id"], user["is_active"], user["version"]) for user in done.json()["items"]]
    assert changed == [(ids[1], False, 2), (ids[0], False, 2)]


@pytest.mark.parametrize("address", ["/v1/users/bulk", "/v1/users/bulk/deactivate"])
async def test_bulk_requires_1_to_1000_items(client: httpx2.AsyncClient, address: str) -> None:
    many = [user_body() if address.endswith("bulk") else str(uuid4()) for _ in range(1001)]
    for items in ([], many):
        answer = await client.post(address, json={"items": items})
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/items"]


async def test_password_is_stored_as_argon2id_and_never_returned(
    client: httpx2.AsyncClient, state: State, real_hashing: None
) -> None:
    secret = "correct horse battery"
    response = await client.post("/v1/users", json=user_body(password=secret))
    address = response.headers["location"]
    changed = await client.patch(address, json={"password": secret + "!"})
    shown = [response, changed, await client.get(address), await client.get("/v1/users")]
    assert all("password" not in answer.text and secret not in answer.text for answer in shown)
    async with state["sql"].engine.connect() as connection:
        of_people = sqlalchemy.text("SELECT password_hash FROM users WHERE deleted_at IS NULL")
        kept = await connection.scalar(of_people)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
