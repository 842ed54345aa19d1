"""Single rows of repositories: get, change and remove; all changes are rolled back."""

from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import false

from service.auth.caller import NotYours
from service.core.errors import Collision, PreconditionFailed
from service.relational.accounts.repository import AccountNotFound, AccountRepository
from service.relational.accounts.schemas import AccountCreate, AccountUpdate
from service.relational.posts.repository import PostNotFound, PostRepository
from service.relational.posts.schemas import PostCreate, PostUpdate
from service.relational.tags.repository import TagNotFound, TagRepository
from service.relational.tags.schemas import TagQuery, TagUpdate
from service.relational.users.change import UserChanges
from service.relational.users.repository import UserNotFound, UserRepository
from service.relational.users.schemas import UserUpdate
from service.stores.sql.base import Base
from service.stores.sql.bulk import insert_missing
from service.stores.sql.context import SqlContext
from service.stores.sql.repository import MAX_TRIES
from tests.stores.sql.repositories import add_tags, add_user, as_member

pytestmark = pytest.mark.usefixtures("no_row_is_left")


async def test_get_existing_id_returns_row(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    (tag,) = await add_tags(sql_context, "sql")
    assert await any_tags.get(tag.id) == tag
    assert (tag.name, tag.version) == ("sql", 1)


async def test_get_unknown_id_raises_missing(any_tags: TagRepository) -> None:
    with pytest.raises(TagNotFound):
        await any_tags.get(uuid4())


async def test_get_row_of_other_owner_raises_missing(sql_context: SqlContext) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    account = await AccountRepository(one).add(AccountCreate(name="Savings", currency="EUR"))
    assert await AccountRepository(one).get(account.id) == account
    assert await AccountRepository(sql_context).get(account.id) == account
    with pytest.raises(AccountNotFound):
        await AccountRepository(other).get(account.id)


async def test_get_user_is_visible_to_themselves_alone(sql_context: SqlContext) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    assert one.caller.user_id is not None
    assert (await UserRepository(one).get(one.caller.user_id)).id == one.caller.user_id
    with pytest.raises(UserNotFound):
        await UserRepository(other).get(one.caller.user_id)


@pytest.mark.parametrize("expected", [None, frozenset({1}), frozenset({7, 1})])
async def test_change_expected_version_is_counted(
    any_tags: TagRepository, sql_context: SqlContext, expected: frozenset[int] | None
) -> None:
    (tag, other) = await add_tags(sql_context, "sql", "other")
    assert await any_tags.get(tag.id) == tag, "an entity of before is read anew"
    changed = await any_tags.change(tag.id, TagUpdate(name="postgres"), expected)
    assert (changed.name, changed.version) == ("postgres", 2)
    assert await any_tags.get(tag.id) == changed
    assert await any_tags.get(other.id) == other


@pytest.mark.parametrize("expected", [frozenset(), frozenset({2}), frozenset({0, 7})])
async def test_change_other_version_raises_precondition_failed(
    any_tags: TagRepository, sql_context: SqlContext, expected: frozenset[int]
) -> None:
    (tag,) = await add_tags(sql_context, "sql")
    with pytest.raises(PreconditionFailed):
        await any_tags.change(tag.id, TagUpdate(name="postgres"), expected)
    assert await any_tags.get(tag.id) == tag


async def test_change_of_nothing_checks_access_and_counts_no_version(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    (tag,) = await add_tags(sql_context, "sql")
    for expected in (None, frozenset({1})):
        assert await any_tags.change(tag.id, TagUpdate(), expected) == tag
    with pytest.raises(PreconditionFailed):
        await any_tags.change(tag.id, TagUpdate(), frozenset({2}))
    with pytest.raises(TagNotFound):
        await any_tags.change(uuid4(), TagUpdate(), None)
    one, other = await as_member(sql_context), await as_member(sql_context)
    post = await PostRepository(one).add(PostCreate(title="Public", published=True))
    with pytest.raises(NotYours):
        await PostRepository(other).change(post.id, PostUpdate(), None)


@pytest.mark.parametrize("expected", [None, frozenset({1})])
async def test_change_unknown_id_raises_missing(
    any_tags: TagRepository, expected: frozenset[int] | None
) -> None:
    with pytest.raises(TagNotFound):
        await any_tags.change(uuid4(), TagUpdate(name="x"), expected)


async def test_change_invisible_row_raises_missing(sql_context: SqlContext) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    account = await AccountRepository(one).add(AccountCreate(name="Savings", currency="EUR"))
    with pytest.raises(AccountNotFound):
        await AccountRepository(other).change(account.id, AccountUpdate(name="x"), None)
    assert await AccountRepository(one).get(account.id) == account


@pytest.mark.parametrize("expected", [None, frozenset({1}), frozenset({7})])
async def test_change_visible_row_of_other_owner_raises_not_yours(
    sql_context: SqlContext, expected: frozenset[int] | None
) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    post = await PostRepository(one).add(PostCreate(title="Draft", published=True))
    with pytest.raises(NotYours):
        await PostRepository(other).change(post.id, PostUpdate(title="x"), expected)
    with pytest.raises(NotYours):
        await PostRepository(other).remove(post.id, expected)
    assert await PostRepository(other).get(post.id) == post


async def test_change_draft_of_other_owner_raises_missing(sql_context: SqlContext) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    post = await PostRepository(one).add(PostCreate(title="Draft"))
    with pytest.raises(PostNotFound):
        await PostRepository(other).change(post.id, PostUpdate(title="x"), None)
    changed = await PostRepository(sql_context).change(post.id, PostUpdate(title="x"), None)
    assert (changed.title, changed.version) == ("x", 2)


@pytest.mark.parametrize("expected", [None, frozenset({1})])
async def test_remove_expected_version_deletes_row_alone(
    any_tags: TagRepository, sql_context: SqlContext, expected: frozenset[int] | None
) -> None:
    (tag, other) = await add_tags(sql_context, "sql", "other")
    await any_tags.remove(tag.id, expected)
    assert (await any_tags.list(TagQuery())).items == [other]
    with pytest.raises(TagNotFound):
        await any_tags.remove(tag.id, expected)


async def test_remove_stale_version_raises_precondition_failed(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    (tag,) = await add_tags(sql_context, "sql")
    changed = await any_tags.change(tag.id, TagUpdate(name="postgres"), None)
    with pytest.raises(PreconditionFailed):
        await any_tags.remove(tag.id, frozenset({1}))
    assert await any_tags.get(tag.id) == changed


async def test_remove_user_hides_them_until_restored(sql_context: SqlContext) -> None:
    users = UserRepository(sql_context)
    user = await add_user(sql_context)
    await users.remove(user.id, frozenset({1}))
    changes = UserChanges(sql_context)
    for call in (users.get(user.id), changes.change(user.id, UserUpdate(age=1), None)):
        with pytest.raises(UserNotFound):
            await call
    assert (await users.restore(user.id)).version == 3


@pytest.mark.parametrize("expected", [None, frozenset({1})])
async def test_change_that_lost_a_race_is_tried_again(
    any_tags: TagRepository,
    sql_context: SqlContext,
    expected: frozenset[int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The row is hidden from the first UPDATE alone, as if it were restored right after it."""
    (tag,) = await add_tags(sql_context, "sql")
    unhidden, tries = any_tags._changeable, count()
    monkeypatch.setattr(
        any_tags,
        "_changeable",
        lambda expected: [false()] if next(tries) == 0 else unhidden(expected),
    )
    if expected is None:
        assert (await any_tags.change(tag.id, TagUpdate(name="new"), None)).name == "new"
    else:
        with pytest.raises(PreconditionFailed):
            await any_tags.change(tag.id, TagUpdate(name="new"), expected)


async def test_change_that_always_loses_is_a_collision(
    any_tags: TagRepository, sql_context: SqlContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tag,) = await add_tags(sql_context, "sql")
    monkeypatch.setattr(any_tags, "_changeable", lambda _expected: [false()])
    with pytest.raises(Collision):
        await any_tags.remove(tag.id, None)


@pytest.mark.parametrize("vain_rounds", [1, MAX_TRIES])
async def test_put_tag_neither_made_nor_found_is_tried_again(
    sql_context: SqlContext, monkeypatch: pytest.MonkeyPatch, vain_rounds: int
) -> None:
    """As if it was removed before the look-up, or an older index held another for the same."""
    (other,) = await add_tags(sql_context, "other")
    rounds = count(1)

    def insert_as_other(table: type[Base], rows: list[Any], **by: Any) -> Any:
        if next(rounds) <= vain_rounds:
            rows = [{**row, "name": other.name} for row in rows]
        return insert_missing(table, rows, **by)

    monkeypatch.setattr("service.relational.tags.repository.insert_missing", insert_as_other)
    if vain_rounds == MAX_TRIES:
        with pytest.raises(Collision):
            await add_tags(sql_context, "new")
    else:
        assert [tag.name for tag in await add_tags(sql_context, "new")] == ["new"]
