"""Translation of errors of PostgreSQL to service errors."""

import httpx2
import pytest
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, UniqueConstraint, text
from sqlalchemy.exc import DBAPIError

from service.core.errors import ServiceError
from service.main import State
from service.relational.metadata import METADATA
from service.stores.sql.errors import translate_sql_error
from tests.relational.users.factories import make_user


def test_every_constraint_has_an_error_class() -> None:
    kinds = (UniqueConstraint, ForeignKeyConstraint, CheckConstraint)
    protecting = set()
    for table in METADATA.sorted_tables:
        protecting |= {str(rule.name) for rule in table.constraints if isinstance(rule, kinds)}
        protecting |= {str(index.name) for index in table.indexes if index.unique}
    assert {"uq_users_email", "ck_users_age", "fk_posts_author_id"} <= protecting
    assert protecting - set(ServiceError.by_constraint) == set()


NO_ID = "00000000-0000-7000-8000-000000000000"
INSERT_USER = "INSERT INTO users (id, username, email, age, status) VALUES"
INSERT_TAGGING = "INSERT INTO post_tags (post_id, tag_id) VALUES"
INSERT_POST = "INSERT INTO posts (id, author_id, title, slug, content, published, views) VALUES"


@pytest.mark.parametrize(
    ("statement", "code", "pointer"),
    [
        (f"{INSERT_USER} ('{NO_ID}', 'x', 'y', 151, 'active')", "age", "/age"),
        (f"{INSERT_USER} ('{NO_ID}', 'x', 'y', 1, 'gone')", "status", "/status"),
        (f"{INSERT_USER} ('{NO_ID}', 'x', 'ME@x.de', 1, 'active')", "email_taken", "/email"),
        (f"{INSERT_USER} ('{NO_ID}', 'ME', 'x', 1, 'active')", "username_taken", "/username"),
        (
            f"{INSERT_POST} ('{NO_ID}', '{NO_ID}', 't', 's', '', false, 0)",
            "author_unknown",
            "/author_id",
        ),
        (
            f"{INSERT_POST} ('{NO_ID}', '{NO_ID}', 't', 's', '', true, 0)",
            "published_without_date",
            None,
        ),
        (f"{INSERT_POST} ('{NO_ID}', '{NO_ID}', 't', 's', '', false, -1)", "views", None),
        (
            f"{INSERT_POST} ('{NO_ID}', '{NO_ID}', 't', 'A b', '', false, 0)",
            "slug_odd",
            "/slug",
        ),
        (f"{INSERT_TAGGING} ('{NO_ID}', '{NO_ID}')", "post_not_found", None),
    ],
)
async def test_violated_constraint_is_translated_to_its_error(
    client: httpx2.AsyncClient, state: State, statement: str, code: str, pointer: str | None
) -> None:
    await make_user(client, username="me", email="me@x.de")
    error = await error_of(state, statement)
    assert error.code == code
    assert [error["pointer"] for error in error.errors] == ([pointer] if pointer else [])


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("23505", 409, "conflict"),
        ("23503", 409, "conflict"),
        ("23P01", 409, "conflict"),
        ("23502", 422, "out_of_range"),
        ("23514", 422, "out_of_range"),
        ("22003", 422, "out_of_range"),
        ("22021", 422, "out_of_range"),
        ("54000", 422, "out_of_range"),
        ("40001", 503, "collision"),
        ("40P01", 503, "collision"),
        ("55P03", 503, "locked"),
        ("57014", 504, "query_timeout"),
        ("25006", 503, "store_read_only"),
        ("42P01", 503, "schema_behind"),
        ("42703", 503, "schema_behind"),
        ("53300", 503, "busy"),
        ("53100", 503, "store_full"),
        ("53200", 503, "busy"),
        ("58030", 503, "outcome_unknown"),
        ("XX001", 503, "outcome_unknown"),
        ("57P01", 503, "unavailable"),
        ("08006", 503, "unavailable"),
    ],
)
async def test_sqlstate_is_translated_to_its_error(
    state: State, sqlstate: str, status: int, code: str
) -> None:
    raising = f"RAISE EXCEPTION 'the text of PostgreSQL' USING ERRCODE = '{sqlstate}'"
    error = await error_of(state, f"DO $$ BEGIN {raising}; END $$")
    assert (error.status, error.code) == (status, code)
    assert "the text of PostgreSQL" not in error.message
    assert ("Retry-After" in error.headers) == (status == 503)


async def test_programming_error_is_not_translated(state: State) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with state["sql"].engine.connect() as connection:
            await connection.execute(text("NOT A STATEMENT"))
    assert translate_sql_error(caught.value) is None
    assert translate_sql_error(KeyError("x")) is None


async def error_of(state: State, statement: str) -> ServiceError:
    """Return the service error of the error that a statement raises."""
    with pytest.raises(DBAPIError) as caught:
        async with state["sql"].engine.begin() as connection:
            await connection.execute(text(statement))
    error = translate_sql_error(caught.value)
    assert error is not None
    return error
