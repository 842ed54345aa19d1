"""An operation gets its summary, access, headers and parameters from its route."""

from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query

from service.auth.caller import OPTIONAL_AUTH, PUBLIC, needs
from service.web.conditional import IfMatch, Reply
from service.web.idempotency_key import SentKey
from service.web.lists.pagination import ListQuery, Page
from service.web.openapi import problems
from service.web.openapi_document.complete import complete_document
from service.web.route import Route, add_routes
from service.web.schemas import Versioned

router = APIRouter(prefix="/things", tags=["things"], route_class=Route)


class Thing(Versioned):
    """A thing."""


class KeepingRoute(Route):
    """Keeps responses, as the route of PostgreSQL does."""

    keeps_responses = True


keeping = APIRouter(prefix="/kept", tags=["things"], route_class=KeepingRoute)


@router.get("/one", dependencies=[needs("posts:read")], responses=problems(cached=True))
async def things_get(reply: Reply) -> Thing:
    """Return a `thing`. Second sentence.

    More.
    """
    return reply.ok(Thing(version=1))


@router.get("", dependencies=[OPTIONAL_AUTH], responses=problems())
async def things_list(query: Annotated[ListQuery, Query()]) -> Page[Thing]:
    """List things."""
    raise NotImplementedError(query)


@router.post("", status_code=201, dependencies=[needs("posts:write")], responses=problems())
async def things_create(reply: Reply, key: SentKey) -> Thing:
    """Create a thing."""
    return reply.created(Thing(version=1), key)


@router.post("/plain", dependencies=[PUBLIC], responses=problems())
async def things_plain() -> None:
    """Do without a key."""


@keeping.post("", dependencies=[PUBLIC], responses=problems())
async def kept_post() -> None:
    """Keep the response."""


@keeping.patch("", dependencies=[needs("posts:write")], responses=problems(if_match=True))
async def kept_patch(reply: Reply, expected: IfMatch) -> Thing:
    """Change it."""
    return reply.updated(Thing(version=len(expected or ())))


def document() -> dict[str, Any]:
    app = FastAPI()
    for routes in (router, keeping):
        add_routes(app, "", routes)
    found = app.openapi()
    complete_document(found, app.routes, {})
    return found


DOCUMENT = document()
PATHS = DOCUMENT["paths"]


def parameters(operation: dict[str, Any]) -> list[str]:
    return [parameter["name"] for parameter in operation.get("parameters", ())]


def headers(operation: dict[str, Any], status: str = "200") -> set[str]:
    return set(operation["responses"][status]["headers"]) - {"RateLimit", "RateLimit-Policy"}


def test_operation_summary_is_the_first_sentence_of_the_docstring() -> None:
    operation = PATHS["/things/one"]["get"]
    assert operation["summary"] == "Return a thing"
    assert operation["description"] == (
        "Second sentence.\n\nMore.\n\nRequires the scope `posts:read`."
    )


def test_operation_access_is_security_and_a_sentence() -> None:
    assert PATHS["/things/plain"]["post"]["security"] == []
    assert PATHS["/things/plain"]["post"]["description"] == "Takes no credentials."
    assert PATHS["/things"]["get"]["security"] == [{}, {"bearer": []}, {"api_key": []}]
    assert PATHS["/things"]["post"]["security"] == [{"bearer": ["posts:write"]}, {"api_key": []}]


def test_operation_if_none_match_belongs_to_reads_with_a_304() -> None:
    assert parameters(PATHS["/things/one"]["get"]) == ["If-None-Match"]
    assert parameters(PATHS["/kept"]["patch"]) == ["If-Match"]


def test_operation_idempotency_key_belongs_to_posts_that_keep_it() -> None:
    assert parameters(PATHS["/things"]["post"]) == ["Idempotency-Key"]
    assert parameters(PATHS["/kept"]["post"]) == ["Idempotency-Key"]
    assert parameters(PATHS["/things/plain"]["post"]) == []
    assert "409" in PATHS["/kept"]["post"]["responses"]


def test_operation_declares_the_headers_that_its_route_sends() -> None:
    assert headers(PATHS["/things/one"]["get"]) == {"ETag", "X-Request-Id"}
    assert headers(PATHS["/things"]["get"]) == {"Link", "X-Request-Id"}
    assert headers(PATHS["/things"]["post"], "201") == {
        "ETag", "Location", "Idempotency-Replayed", "X-Request-Id"
    }  # fmt: skip
    assert set(DOCUMENT["components"]["headers"]) >= headers(PATHS["/things"]["post"], "201")


def test_operation_errors_are_references_with_its_own_codes() -> None:
    responses = PATHS["/things/one"]["get"]["responses"]
    assert responses["400"] == {"$ref": "#/components/responses/BadRequest"}
    assert responses["default"] == {"$ref": "#/components/responses/OtherProblem"}
    assert "PreconditionFailed" in DOCUMENT["components"]["responses"]
    assert "NotFound" not in DOCUMENT["components"]["responses"], "no operation refers to it"
