"""Lists of typed rows and of entities; all changes are rolled back."""

import pytest
from sqlalchemy import Text, func, select
from sqlalchemy.orm import selectinload

from service.relational.accounts.repository import AccountRepository
from service.relational.accounts.schemas import AccountCreate, AccountQuery
from service.relational.posts.repository import PostRepository
from service.relational.posts.schemas import PostCreate
from service.relational.posts.tables import Post
from service.relational.tags.repository import TagRepository
from service.relational.tags.schemas import TagQuery, TagRead
from service.relational.tags.tables import Tag
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.filters import CustomFilter
from service.stores.sql.lists.listing import SqlListing
from service.web.lists.cursors import BadCursor
from service.web.lists.pagination import OffsetQuery
from tests.stores.sql.repositories import add_tags, add_user, as_member

pytestmark = pytest.mark.usefixtures("no_row_is_left")


async def tag_pages(tags: TagRepository, query: TagQuery) -> list[list[TagRead]]:
    """Return all pages of the list."""
    page = await tags.list(query)
    pages = [page.items]
    while page.page.has_more:
        page = await tags.list(query.model_copy(update={"cursor": page.page.next_cursor}))
        pages.append(page.items)
    assert page.page.next_cursor is None
    return pages


@pytest.mark.parametrize("sort", ["name", "-name"])
async def test_list_pages_hold_every_row_once_in_order(
    any_tags: TagRepository, sql_context: SqlContext, sort: str
) -> None:
    made = await add_tags(sql_context, "b", "d", "a", "c", "e")
    pages = await tag_pages(any_tags, TagQuery(sort=sort, limit=2))
    assert [len(page) for page in pages] == [2, 2, 1]
    in_order = sorted(made, key=lambda tag: tag.name, reverse=sort.startswith("-"))
    assert [tag for page in pages for tag in page] == in_order


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_list_rows_of_equal_sort_value_are_ordered_by_id(
    any_tags: TagRepository, sql_context: SqlContext, sort: str
) -> None:
    """All rows of one transaction have the same ``created_at``."""
    made = await add_tags(sql_context, *"abcdefg")
    assert len({tag.created_at for tag in made}) == 1
    pages = await tag_pages(any_tags, TagQuery(sort=sort, limit=3))
    ids = sorted((tag.id for tag in made), reverse=sort.startswith("-"))
    assert [tag.id for page in pages for tag in page] == ids


async def test_list_filter_narrows_items_and_total(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    await add_tags(sql_context, "Python", "pytest", "sql", "py%")
    page = await any_tags.list(TagQuery(name__prefix="PY", limit=2, count="exact"))
    assert ([tag.name for tag in page.items], page.total) == (["Python", "py%"], 3)
    page = await any_tags.list(TagQuery(name__prefix="py%", count="exact"))
    assert ([tag.name for tag in page.items], page.total) == (["py%"], 1)


async def test_list_is_counted_on_request_alone(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    await add_tags(sql_context, "a", "b")
    assert (await any_tags.list(TagQuery())).total is None
    assert (await any_tags.list(TagQuery(count="exact"))).total == 2
    assert isinstance((await any_tags.list(TagQuery(count="estimated"))).total, int)


async def test_list_offset_skips_rows(any_tags: TagRepository, sql_context: SqlContext) -> None:
    await add_tags(sql_context, "a", "b", "c")
    page = await any_tags.list(TagQuery(offset=1, limit=1))
    assert ([tag.name for tag in page.items], page.page.has_more) == (["b"], True)


async def test_list_cursor_of_other_sort_is_refused(
    any_tags: TagRepository, sql_context: SqlContext
) -> None:
    await add_tags(sql_context, "a", "b")
    cursor = (await any_tags.list(TagQuery(limit=1))).page.next_cursor
    with pytest.raises(BadCursor):
        await any_tags.list(TagQuery(limit=1, cursor=cursor, sort="-name"))


async def test_list_holds_visible_rows_alone(sql_context: SqlContext) -> None:
    one, other = await as_member(sql_context), await as_member(sql_context)
    account = AccountCreate(name="Savings", currency="EUR")
    made = [await AccountRepository(context).add(account) for context in (one, other)]
    query = AccountQuery(sort="created_at", count="exact")
    assert (await AccountRepository(one).list(query)).items == made[:1]
    assert (await AccountRepository(sql_context).list(query)).items == made


class TagQueryOfTypo(TagQuery):
    name: str | None = None
    name__like: str | None = None
    colour: str | None = None
    used: bool = False


def test_listing_that_would_ignore_a_filter_is_refused() -> None:
    filters = {"name": Tag.name, "created_at": Tag.created_at}
    with pytest.raises(TypeError, match=r"ignores: colour, name__like, q, used\. Name their"):
        SqlListing(Tag, TagQueryOfTypo, filters=filters)
    custom = {"colour": CustomFilter(lambda colour: Tag.name == colour, Text)}
    with pytest.raises(TypeError, match="ignores: name__like, q, used"):
        SqlListing(Tag, TagQueryOfTypo, filters=filters, custom=custom)
    with pytest.raises(TypeError, match=r"ignores: name__like\."):
        SqlListing(Tag, TagQueryOfTypo, filters=filters, custom=custom, elsewhere=["q", "used"])


async def test_list_of_a_query_with_other_filters_is_refused(
    any_tags: TagRepository,
) -> None:
    with pytest.raises(TypeError, match="of TagQuery, not of TagQueryOfTypo"):
        await any_tags.list(TagQueryOfTypo())


async def test_entity_listing_loads_relationships(sql_context: SqlContext) -> None:
    listing = SqlListing(Post, OffsetQuery, options={"tags": selectinload(Post.tags)})
    posts = PostRepository(sql_context)
    author = await add_user(sql_context)
    for title, names in (("one", ["b", "a"]), ("two", [])):
        await posts.add(PostCreate(title=title, tags=names, author_id=author.id))
    session, query = sql_context.session, OffsetQuery(sort="created_at")

    def titles_and_tags(post: Post) -> tuple[str, set[str]]:
        return post.title, {tag.name for tag in post.tags}

    page = await listing.page(session, query, sql_context.paginator, titles_and_tags)
    assert page.items == [("one", {"a", "b"}), ("two", set())]
    post = await session.scalar(listing.select().where(Post.title == "one"))
    assert post is not None
    assert titles_and_tags(post) == ("one", {"a", "b"})
    assert await session.scalar(select(func.count()).select_from(Tag)) == 2
