"""Erasure of many rows, and what is true after an erasure that failed."""

from typing import Any

import httpx2
import pytest

from service.main import State
from service.relational.erasure import repository
from tests.relational.erasure.factories import execute, fill, make_person, rows_naming, with_key
from tests.relational.projects.factories import ProjectUser, make_project, status_and_code

ROWS, SLICE = 7, 3
# Each statement on such a table fails if it changes more than a slice.
LIMIT = f"""
    CREATE FUNCTION test_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM changed) > {SLICE} THEN
            RAISE EXCEPTION '% of % rows', TG_OP, TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $$
"""  # noqa: S608 - a constant
LIMITED = {
    "stock_movements": "UPDATE", "audit_events": "UPDATE", "idempotency_keys": "DELETE",
    "posts": "DELETE", "orders": "UPDATE",
}  # fmt: skip
# Some responses name others: the slices are of all of them.
MANY = (
    """INSERT INTO audit_events (id, act, user_id, subject_id, request_id, details)
    SELECT gen_random_uuid(), 'user_changed', :id, :id, 'r', jsonb_build_object('id', :id)
    FROM generate_series(1, :rows)""",
    """INSERT INTO stock_movements (id, product_id, change, stock_after, reason, user_id)
    SELECT gen_random_uuid(), id, 1, 1, 'initial', :id FROM products, generate_series(1, :rows)""",
    """INSERT INTO idempotency_keys (key, fingerprint, status, headers, body, created_at)
    SELECT 'k' || n, '', 201, '{}', convert_to(CASE n % 2 WHEN 0 THEN :id ELSE '' END, 'UTF8'),
        now() - n * interval '1 hour'
    FROM generate_series(1, 2 * :rows) AS n""",
)


@pytest.fixture
async def admin(state: State, auth_client: httpx2.AsyncClient) -> ProjectUser:
    return (await make_person(state, auth_client, "admin")).user


async def test_erase_changes_a_slice_of_rows_in_each_statement(
    state: State,
    auth_client: httpx2.AsyncClient,
    admin: ProjectUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "SLICE", SLICE)
    person = await make_person(state, auth_client)
    user_id = person.user.id
    await fill(state, person, admin)
    for statement in MANY:
        await execute(state, statement.replace(":id", f"'{user_id}'"), rows=ROWS)
    await execute(state, LIMIT)
    try:
        for table, act in LIMITED.items():
            await execute(
                state,
                f"""CREATE TRIGGER test_limit AFTER {act} ON {table}
                REFERENCING OLD TABLE AS changed
                FOR EACH STATEMENT EXECUTE FUNCTION test_limit()""",
            )
        answer = await admin.request_json("POST", f"/users/{user_id}/erase")
    finally:
        await execute(state, "DROP FUNCTION test_limit() CASCADE")
    assert answer["kept"]["stock_movements"] == ROWS + 1
    left = await rows_naming(state, user_id, person.user.email, person.username, person.name)
    assert [event["act"] for event in left.pop("audit_events")] == ["user_erased"]
    assert left == {}


async def test_erase_forgets_the_answer_to_a_declined_invitation(
    state: State, auth_client: httpx2.AsyncClient, admin: ProjectUser
) -> None:
    """It has the email as the inviter typed it, and the id of the inviter alone."""
    user = (await make_person(state, auth_client)).user
    path = f"/projects/{(await make_project(admin))['id']}/invitations"
    typed = user.email.replace("example", "EXAMPLE").upper()
    made = await admin.request_json("POST", path, {"email": typed})
    await user.request_json("POST", f"/invitations/{made['id']}/decline", idempotency_key="1")
    assert "idempotency_keys" in await rows_naming(state, user.email)
    await admin.request_json("POST", f"/users/{user.id}/erase")
    assert await rows_naming(state, user.email) == {}


async def test_erase_of_an_administrator_by_a_key_is_refused(
    state: State, auth_client: httpx2.AsyncClient, admin: ProjectUser
) -> None:
    """Also of the owner of the key; a member is erased."""
    member = (await make_person(state, auth_client)).user
    other = (await make_person(state, auth_client, "admin")).user
    scopes = ("users:write", "users:admin")
    by_key = admin._replace(headers=await with_key(state, admin.id, *scopes))
    for user in (other, admin):
        refused = await by_key.request("POST", f"/users/{user.id}/erase")
        assert status_and_code(refused) == (403, "role_too_strong")
        assert (await user.request("GET", "/me")).status_code == 200
    await by_key.request_json("POST", f"/users/{member.id}/erase")
    assert (await member.request("GET", "/me")).status_code == 401


async def test_erase_that_waits_for_a_lock_fails_with_credentials_ended(
    state: State,
    auth_client: httpx2.AsyncClient,
    admin: ProjectUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repository, "LOCK_SECONDS", 0.05)
    user = (await make_person(state, auth_client)).user
    post = await user.request_json("POST", "/posts", {"title": "x"})
    key = await user.request_json("POST", "/api_keys", {"name": "k", "scopes": ["posts:read"]})
    path = f"/users/{user.id}/erase"
    async with state["sql"].engine.begin() as connection:
        await connection.exec_driver_sql(f"SELECT FROM posts WHERE id = '{post['id']}' FOR UPDATE")
        refused = await admin.request("POST", path, idempotency_key="1")
    assert status_and_code(refused) == (503, "locked")
    assert (await user.request("GET", "/me")).status_code == 401
    (revoked,) = (await rows_naming(state, key["id"]))["api_keys"]
    assert (revoked["revoked_at"] is None, revoked["version"]) == (False, 2)
    events = await admin.request_json("GET", f"/audit_events?user_id={admin.id}")
    noted = {(event["act"], event["subject_id"]) for event in events["items"]}
    assert noted >= {("token_revoked", str(user.id)), ("key_revoked", key["id"])}
    answer = await admin.request_json("POST", path, idempotency_key="1")
    assert (answer["removed"]["posts"], answer["removed"]["api_keys"]) == (1, 1)


async def test_erase_holds_one_connection_at_a_time(
    state: State,
    auth_client: httpx2.AsyncClient,
    admin: ProjectUser,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else erasures that fill the pool would wait for one another."""
    user = (await make_person(state, auth_client)).user
    end, counts = repository.end_credentials, []
    pool: Any = state["sql"].engine.pool

    async def end_credentials(*arguments: Any, **named: Any) -> Any:
        ended = await end(*arguments, **named)
        counts.append(pool.checkedout())
        return ended

    monkeypatch.setattr(repository, "end_credentials", end_credentials)
    await admin.request_json("POST", f"/users/{user.id}/erase", idempotency_key="1")
    assert counts == [1]
