"""A person with rows in every table that refers to users, and what is left of them."""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx2
from sqlalchemy import text

from service.main import State
from service.relational.metadata import METADATA
from service.relational.users.tables import TOMBSTONE_ID
from tests.auth.factories import bearer, create_key, create_user
from tests.relational.logins.factories import PASSWORD, current_hash
from tests.relational.projects.factories import ProjectUser

__all__ = ["PASSWORD"]


class Person(NamedTuple):
    """A member with a password, and the client that speaks for them."""

    user: ProjectUser
    username: str
    name: str


async def make_person(state: State, client: httpx2.AsyncClient, role: str = "member") -> Person:
    username, name = f"n{uuid4().hex[:12]}", f"Name {uuid4().hex[:12]}"
    email = f"{username}@example.com"
    made = await create_user(
        state, role, username=username, email=email, name=name, password_hash=current_hash()
    )
    return Person(ProjectUser(client, made.id, email, made.headers), username, name)


async def fill(state: State, person: Person, admin: ProjectUser) -> None:
    """Give the person rows of every kind; none is in the way of an erasure."""
    user = person.user
    post = {"title": "By them", "published": True, "tags": ["theirs"]}
    own = await user.request_json("POST", "/posts", post, idempotency_key="1")
    other = await admin.request_json("POST", "/posts", {"title": "Of others", "published": True})
    for author, target in ((user, own), (user, other), (admin, own), (admin, other)):
        await author.request_json("POST", f"/posts/{target['id']}/comments", {"content": "Words."})
    await _make_projects(user, admin)
    await user.request_json("POST", "/api_keys", {"name": "k", "scopes": ["posts:read"]})
    product = {"sku": uuid4().hex, "name": "x", "price": "1.00", "currency": "EUR", "stock": 9}
    made = await admin.request_json("POST", "/products", product)
    line = {"product_id": made["id"], "quantity": 1}
    await user.request_json("POST", "/orders", {"lines": [line]}, idempotency_key="2")
    await _make_accounts(user, admin)
    change = {"city": "London"}
    await admin.request_json("PATCH", f"/users/{user.id}", {**change, "email_verified": True})
    await admin.request_json("POST", f"/users/{user.id}/restore", idempotency_key="3")
    await execute(
        state,
        """INSERT INTO audit_events (id, act, user_id, subject_id, address, request_id, details)
        VALUES (gen_random_uuid(), 'user_changed', :id, :id, '10.1.2.3', 'r', jsonb_build_object(
            'email', CAST(:email AS text), 'note', 'asked by ' || CAST(:name AS text),
            'after', 'member'))""",
        id=user.id, email=user.email.upper(), name=person.name,
    )  # fmt: skip


async def _make_projects(user: ProjectUser, admin: ProjectUser) -> None:
    shared = await user.request_json("POST", "/projects", {"name": "Shared"})
    path = f"/projects/{shared['id']}"
    made = await user.request_json("POST", f"{path}/invitations", {"email": admin.email})
    answer = f"/invitations/{made['id']}/accept"
    await admin.request_json("POST", answer, {"secret": made["secret"]})
    await user.request_json("PATCH", f"{path}/members/{admin.id}", {"role": "owner"})
    await user.request_json("POST", f"{path}/invitations", {"email": "else@example.com"})
    gone = await user.request_json("POST", "/projects", {"name": "Deleted"})
    await user.request_json("DELETE", f"/projects/{gone['id']}")
    theirs = await admin.request_json("POST", "/projects", {"name": "Theirs"})
    body = {"email": user.email.upper()}
    await admin.request_json("POST", f"/projects/{theirs['id']}/invitations", body)


async def _make_accounts(user: ProjectUser, admin: ProjectUser) -> None:
    """Create an unused account, and one that has had money and is empty again."""
    account = {"name": "Savings", "currency": "EUR"}
    bank = await admin.request_json("POST", "/accounts", {**account, "may_overdraw": True})
    await user.request_json("POST", "/accounts", account)
    used = await user.request_json("POST", "/accounts", account)
    paid = {"from_account_id": bank["id"], "to_account_id": used["id"], "amount": "5.00"}
    back = {"from_account_id": used["id"], "to_account_id": bank["id"], "amount": "5.00"}
    await admin.request_json("POST", "/transfers", paid)
    await user.request_json("POST", "/transfers", back)


async def rows_naming(state: State, *words: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table whose text has one of the words, in any case."""
    found = {}
    values = {"words": [f"%{str(word).lower()}%" for word in words]}
    async with state["sql"].engine.connect() as connection:
        for table in METADATA.sorted_tables:
            body = ", 'body', convert_from(t.body, 'UTF8')" if "body" in table.c else ""
            row = f"to_jsonb(t) || jsonb_build_object('table', '{table.name}'{body})"
            named = f"SELECT {row} FROM {table.name} AS t"  # noqa: S608 - names of ours
            named = f"{named} WHERE lower(({row})::text) LIKE ANY(:words)"
            if rows := list(await connection.scalars(text(named), values)):
                found[table.name] = rows
    return found


async def number_of(state: State, table: str, column: str, user_id: UUID = TOMBSTONE_ID) -> int:
    """Return how many rows of a table belong to a user: the tombstone."""
    statement = text(f"SELECT count(*) FROM {table} WHERE {column} = :id")  # noqa: S608
    async with state["sql"].engine.connect() as connection:
        return int((await connection.execute(statement, {"id": user_id})).scalar_one())


async def execute(state: State, statement: str, **values: Any) -> None:
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text(statement), values)


async def with_key(state: State, user_id: UUID, *scopes: str) -> dict[str, str]:
    """Return the headers of a new API key of a user."""
    return bearer(await create_key(state, user_id, *scopes))
