"""Routes of many posts at once."""

from fastapi import APIRouter
from fastapi.responses import Response

from service.auth.caller import needs
from service.relational.posts.bulk import PostBulkDep
from service.relational.posts.repository import AuthorUnknown, PostNotFound, SlugTaken
from service.relational.posts.schemas import PostIds, PostsCreate, PostsRead
from service.relational.tags.repository import TagUnknown
from service.stores.sql.route import SqlRoute
from service.web.bulk import Bulk, BulkItems, bulk_problems

router = APIRouter(prefix="/posts/bulk", tags=["posts"], route_class=SqlRoute)
WRITES = needs("posts:write")


@router.post(
    "",
    status_code=201,
    response_model=PostsRead,
    dependencies=[WRITES],
    responses=bulk_problems(AuthorUnknown, SlugTaken, TagUnknown),
)
async def posts_create_bulk(body: PostsCreate, query: Bulk, posts: PostBulkDep) -> Response:
    """Create all posts or none; with `atomic=false`, those that can be created."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await posts.add_all(batch), 201)


@router.post(
    "/publish",
    response_model=PostsRead,
    dependencies=[WRITES],
    responses=bulk_problems(PostNotFound),
)
async def posts_publish_bulk(body: PostIds, query: Bulk, posts: PostBulkDep) -> Response:
    """Publish posts; a published post keeps its date."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await posts.publish_all(batch))


@router.post(
    "/delete", status_code=204, dependencies=[WRITES], responses=bulk_problems(PostNotFound)
)
async def posts_delete_bulk(body: PostIds, query: Bulk, posts: PostBulkDep) -> Response:
    """Delete posts and their comments."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await posts.remove_all(batch), 204)
