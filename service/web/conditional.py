"""ETag, If-Match, If-None-Match and Location (RFC 9110), the same for both stores."""

import re
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Header, Request, Response

from service.core.errors import BadRequest
from service.web.idempotency_key import REPLAYED
from service.web.schemas import Versioned

NO_STORE = "no-store"
_ETAG = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')
V = TypeVar("V", bound=Versioned)
Expected = frozenset[int] | None


class JsonResource(NamedTuple):
    """A resource that is serialized already: the value of its ETag, and its JSON."""

    etag: str
    body: str


class NotModified(Exception):
    """Leaves the endpoint with the ETag of a 304."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


async def answer_not_modified(_request: Request, error: Exception) -> Response:
    """Return a 304 with the ETag and without a body."""
    assert isinstance(error, NotModified)  # noqa: S101 - the kind main.py registers
    return Response(status_code=304, headers={"ETag": error.etag})


def etag_of(resource: Versioned) -> str:
    """Return the strong ETag of a resource: its version, in quotes.

    A counter that changes without a new version (the views of a post) follows a dot. It makes a
    cached copy stale, and If-Match ignores it.
    """
    return f'"{resource.etag_value()}"'


def read_etags(header: str) -> list[tuple[bool, str]]:
    """Return the (weak, opaque) pairs of a list of entity tags."""
    etags, position = [], 0
    while position < len(header):
        match = _ETAG.match(header, position)
        if match is None:
            raise BadRequest('Write each entity tag as "3", and separate several by commas.')
        etags.append((match[1] is not None, match[2]))
        position = match.end()
    return etags


async def expected_versions(
    if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description='The ETag you read, such as `"3"`; 412 if it has changed since.',
        ),
    ] = None,
) -> Expected:
    """Return the versions If-Match allows; None allows any.

    A weak tag never matches (RFC 9110, 13.1.1).
    """
    if if_match is None or if_match.strip() == "*":
        return None
    versions = [tag.partition(".")[0] for weak, tag in read_etags(if_match) if not weak]
    return frozenset(
        int(version) for version in versions if version.isdecimal() and len(version) < 19
    )


class ReplyBuilder:
    """Sets the headers that belong to a body, and returns the body."""

    def __init__(self, request: Request, response: Response, if_none_match: str | None) -> None:
        self._request, self._response, self._if_none_match = request, response, if_none_match

    def ok(self, resource: V) -> V:
        """Return a resource that was read, with its ETag.

        Raises:
            NotModified: the caller's copy has this ETag.
        """
        self._response.headers["ETag"] = self._changed_etag(etag_of(resource))
        return resource

    def ok_json(self, resource: JsonResource) -> Response:
        """Like :meth:`ok`, for a resource that is serialized already."""
        etag = self._changed_etag(f'"{resource.etag}"')
        return Response(resource.body, media_type="application/json", headers={"ETag": etag})

    def created(self, resource: V, key: object, *, replayed: bool = False) -> V:
        """Return a new resource with its ETag; Location is ``key`` below the request's path."""
        self._response.headers["Location"] = self._location(key)
        if replayed:
            self._response.headers[REPLAYED] = "true"
        return self.updated(resource)

    def existing(self, resource: V, key: object) -> V:
        """Like :meth:`created`, with status 200 for a resource that was there."""
        self._response.status_code = 200
        return self.created(resource, key)

    def created_json(self, resource: JsonResource, key: object) -> Response:
        """Like :meth:`created`, for a resource that is serialized already."""
        headers = {"ETag": f'"{resource.etag}"', "Location": self._location(key)}
        return Response(resource.body, 201, headers, media_type="application/json")

    def updated(self, resource: V) -> V:
        """Return a resource after a change, with its new ETag."""
        self._response.headers["ETag"] = etag_of(resource)
        return resource

    def updated_json(self, resource: JsonResource) -> Response:
        """Like :meth:`updated`, for a resource that is serialized already."""
        headers = {"ETag": f'"{resource.etag}"'}
        return Response(resource.body, headers=headers, media_type="application/json")

    def no_store(self) -> None:
        """Forbid caches and Idempotency-Keys to keep the body, because it holds a secret."""
        self._response.headers["Cache-Control"] = NO_STORE

    def _changed_etag(self, etag: str) -> str:
        if self._if_none_match is not None and matches_etag(self._if_none_match, etag):
            raise NotModified(etag)
        return etag

    def _location(self, key: object) -> str:
        return f"{self._request.url.path}/{key}"


def matches_etag(header: str, etag: str) -> bool:
    """Compare weakly, as RFC 9110 (13.1.2) asks of If-None-Match."""
    return header.strip() == "*" or any(f'"{tag}"' == etag for _, tag in read_etags(header))


def matches_strongly(header: str, etag: str) -> bool:
    """Compare strongly, as RFC 9110 (13.1.1) asks of If-Match: a weak tag never matches."""
    tags = read_etags(header) if header.strip() != "*" else []
    return header.strip() == "*" or any(f'"{tag}"' == etag for weak, tag in tags if not weak)


async def reply_builder(
    request: Request,
    response: Response,
    if_none_match: Annotated[  # the document has it where a 304 is declared
        str | None, Header(include_in_schema=False)
    ] = None,
) -> ReplyBuilder:
    """The dependency behind ``reply: Reply``."""
    return ReplyBuilder(request, response, if_none_match)


IfMatch = Annotated[Expected, Depends(expected_versions)]
Reply = Annotated[ReplyBuilder, Depends(reply_builder)]
