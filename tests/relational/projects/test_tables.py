"""PostgreSQL keeps an owner in each project, and serves each list from an index."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.stores.sql.errors import translate_sql_error
from tests.relational.projects.factories import ProjectUser, UserFactory, make_project
from tests.relational.users.statements import fill, recorded_statements, used_indexes

REMOVE = "DELETE FROM project_members WHERE user_id = :person"
DEMOTE = "UPDATE project_members SET role = 'admin' WHERE user_id = :person"
OWNERLESS = "INSERT INTO projects (id, name, created_by) VALUES (gen_random_uuid(), 'x', :person)"


def code_of(error: Exception) -> str:
    refusal = translate_sql_error(error)
    assert refusal is not None
    return refusal.code


@pytest.mark.parametrize("statement", [REMOVE, DEMOTE, OWNERLESS])
async def test_database_refuses_project_without_owner(
    user_factory: UserFactory, statement: str
) -> None:
    owner = await user_factory.create()
    await make_project(owner)
    with pytest.raises(DBAPIError) as caught:
        await user_factory.execute(statement, person=owner.id)
    assert code_of(caught.value) == "last_owner"


async def test_owner_can_be_replaced_within_transaction(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    heir = await user_factory.create_member(project, "viewer")
    async with user_factory.state["sql"].engine.begin() as connection:
        await connection.execute(text(DEMOTE), {"person": owner.id})
        promote = "UPDATE project_members SET role = 'owner' WHERE user_id = :person"
        await connection.execute(text(promote), {"person": heir.id})
    assert (await heir.request_json("GET", f"/projects/{project['id']}"))["my_role"] == "owner"


async def test_deleting_project_row_deletes_its_owner(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    await user_factory.execute("DELETE FROM projects WHERE id = :id", id=project["id"])
    assert (await owner.request_json("GET", "/projects"))["items"] == []


async def test_concurrent_transactions_leave_one_owner(user_factory: UserFactory) -> None:
    """The lock of the trigger suffices without the lock of the service."""

    async def commit(connection: AsyncConnection) -> str:
        try:
            await connection.commit()
        except DBAPIError as error:
            return code_of(error)
        return "committed"

    for statement in (REMOVE, DEMOTE) * 5:
        one = await user_factory.create()
        other = await user_factory.create_member(await make_project(one), "owner")
        engine = user_factory.state["sql"].engine
        async with engine.connect() as first, engine.connect() as second:
            await first.execute(text(statement), {"person": one.id})
            await second.execute(text(statement), {"person": other.id})
            outcomes = await asyncio.gather(commit(first), commit(second))
        assert sorted(outcomes) == ["committed", "last_owner"]


# The triggers are disabled because they look for an owner at each row.
MANY = (
    "ALTER TABLE projects DISABLE TRIGGER USER",
    "ALTER TABLE project_members DISABLE TRIGGER USER",
    """
    INSERT INTO users (id, username, email)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n,
           'user' || n || '@example.com'
    FROM generate_series(1, 2000) AS n
    """,
    """
    INSERT INTO projects (id, name, created_by, created_at, deleted_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Project ' || n,
           ('00000000-0000-7000-8000-' || lpad((1 + n % 2000)::text, 12, '0'))::uuid,
           now() - n * interval '1 minute', CASE WHEN n % 500 = 0 THEN now() END
    FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO project_members (id, project_id, user_id, role, created_at)
    SELECT gen_random_uuid(), projects.id, users.id,
           CASE WHEN m = 0 THEN 'owner' ELSE 'member' END, now() - m * interval '1 minute'
    FROM generate_series(1, 20000) AS n CROSS JOIN generate_series(0, 2) AS m
    JOIN projects ON projects.name = 'Project ' || n
    JOIN users ON users.username = 'user' || (1 + (n + m * 7) % 2000)
    """,
    """
    INSERT INTO project_invitations (id, project_id, email, role, invited_by, expires_at,
                                     declined_at)
    SELECT gen_random_uuid(), id, 'User' || (1 + (n + 99) % 2000) || '@example.com', 'member',
           created_by, now() + interval '1 day', CASE WHEN n % 2 = 0 THEN now() END
    FROM (SELECT *, row_number() OVER () AS n FROM projects) AS numbered
    """,
    "ALTER TABLE projects ENABLE TRIGGER USER",
    "ALTER TABLE project_members ENABLE TRIGGER USER",
)
PROJECT = "00000000-0000-7000-8000-000000000007"
AS_USER = """
INSERT INTO project_members (id, project_id, user_id, role)
SELECT gen_random_uuid(), id, :person, 'owner' FROM projects ORDER BY id LIMIT 40
"""


@pytest.fixture
async def busy(user_factory: UserFactory) -> ProjectUser:
    """A member of 40 of 20,000 projects."""
    person = await user_factory.create(email="user5@example.org")
    async with user_factory.state["sql"].engine.begin() as connection:
        await fill(connection, *MANY)
        await connection.execute(text(AS_USER), {"person": person.id})
        await connection.execute(
            text("UPDATE project_invitations SET email = 'USER5@example.org' WHERE email = :email"),
            {"email": "User5@example.com"},
        )
    return person


async def test_list_queries_never_scan_a_table(
    user_factory: UserFactory, busy: ProjectUser
) -> None:
    admin_client = await user_factory.create("admin")
    lists: dict[str, tuple[ProjectUser, Any]] = {
        "/projects": (busy, {"uq_project_members_user"}),
        "/projects?deleted=true": (busy, {"uq_project_members_user"}),
        "/projects?my_role=owner": (busy, {"uq_project_members_user"}),
        f"/projects/{PROJECT}": (busy, {"pk_projects", "uq_project_members_user"}),
        f"/projects/{PROJECT}/members": (busy, {"ix_project_members_project_id"}),
        f"/projects/{PROJECT}/invitations": (busy, {"ix_project_invitations_project_id"}),
        "/invitations": (busy, {"ix_project_invitations_email"}),
    }
    for path in (
        "/projects",
        "/projects?deleted=true",
        "/projects?my_role=owner",
        f"/projects/{PROJECT}/members",
    ):
        lists[path + " "] = (admin_client, set())
    wrong = []
    for path, (person, wanted) in lists.items():
        mark = "&" if "?" in path else "?"
        for sort in ("created_at", "-created_at"):
            query = "" if path.endswith(PROJECT) else f"{mark}sort={sort}&limit=20"
            await person.request_json("GET", path.strip() + query)
            with recorded_statements(user_factory.state) as statements:
                body = await person.request_json("GET", path.strip() + query)
            assert body.get("items") != [] or "deleted" in path or person is admin_client, path
            async with user_factory.state["sql"].engine.connect() as connection:
                used = set().union(
                    *[await used_indexes(connection, statement) for statement in statements]
                )
            if not wanted <= used or {name for name in used if name.startswith("scan of")}:
                wrong.append((path, sort, used))
    assert wrong == []
