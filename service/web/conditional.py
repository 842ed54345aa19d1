"""ETag, If-Match, If-None-Match and Location (RFC 9110), once for both stores."""

import re
from typing import Annotated, NamedTuple, TypeVar

from fastapi import Depends, Header, Request, Response

from service.core.errors import BadRequest
from service.web.context import provided
from service.web.idempotency_key import REPLAYED
from service.web.schemas import Versioned

NO_STORE = "no-store"
_ETAG = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')
V = TypeVar("V", bound=Versioned)
Expected = frozenset[int] | None


class JsonResource(NamedTuple):
    """Something as it goes out: what its ETag says of it, and its JSON."""

    etag: str
    body: str


class NotModified(Exception):
    """Carries the ETag of a 304 past the endpoint."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


async def answer_not_modified(_request: Request, error: Exception) -> Response:
    """304 with the ETag and without a body."""
    assert isinstance(error, NotModified)  # noqa: S101 - the kind main.py registers
    return Response(status_code=304, headers={"ETag": error.etag})


def etag_of(read: Versioned) -> str:
    """The strong ETag of an answer.

    A counter that changes without a new version (the views of a post) stands behind a dot, so that
    it makes a cached copy stale and yet is no obstacle to a change.
    """
    return f'"{read.etag_value()}"'


def _etags(header: str) -> list[tuple[bool, str]]:
    """The (weak, opaque) pairs of a list of entity tags."""
    found, position = [], 0
    while position < len(header):
        match = _ETAG.match(header, position)
        if match is None:
            raise BadRequest('An entity tag looks like "3"; several are separated by commas.')
        found.append((match[1] is not None, match[2]))
        position = match.end()
    return found


async def expected_versions(
    if_match: Annotated[
        str | None,
        Header(description='The ETag you read, such as `"3"`; 412 if it has changed since.'),
    ] = None,
) -> Expected:
    """The versions If-Match allows; None means any. A weak tag never matches (RFC 9110 13.1.1)."""
    if if_match is None or if_match.strip() == "*":
        return None
    heads = [tag.partition(".")[0] for weak, tag in _etags(if_match) if not weak]
    return frozenset(int(head) for head in heads if head.isdecimal() and len(head) < 19)


class Answer:
    """Sets the headers that belong to a body and hands the body through."""

    def __init__(
        self,
        request: Request,
        response: Response,
        if_none_match: Annotated[
            str | None, Header(description="The ETag of your copy; 304 if it is still good.")
        ] = None,
    ) -> None:
        self._request, self._response, self._if_none_match = request, response, if_none_match

    def found(self, read: V) -> V:
        """A single thing that was read: its ETag, or 304 if the caller's copy is still good."""
        etag = etag_of(read)
        if self._if_none_match is not None and _matches(self._if_none_match, etag):
            raise NotModified(etag)
        self._response.headers["ETag"] = etag
        return read

    def shown(self, found: JsonResource) -> Response:
        """The same of what is JSON already."""
        etag = f'"{found.etag}"'
        if self._if_none_match is not None and _matches(self._if_none_match, etag):
            raise NotModified(etag)
        return Response(found.body, media_type="application/json", headers={"ETag": etag})

    def made(self, found: JsonResource, key: object) -> Response:
        """A new thing that is JSON already: its ETag, and its address below the one posted to."""
        address = f"{self._request.url.path}/{key}"
        headers = {"ETag": f'"{found.etag}"', "Location": address}
        return Response(found.body, 201, headers, media_type="application/json")

    def changed(self, read: V) -> V:
        """A thing as it is after a change, with its new ETag."""
        self._response.headers["ETag"] = etag_of(read)
        return read

    def secret(self) -> None:
        """The body holds a secret: neither the caller's cache nor an Idempotency-Key keeps it."""
        self._response.headers["Cache-Control"] = NO_STORE

    def created(self, read: V, key: object, *, replayed: bool = False) -> V:
        """A new thing: its ETag, and its address below the one that was posted to."""
        self._response.headers["Location"] = f"{self._request.url.path}/{key}"
        if replayed:
            self._response.headers[REPLAYED] = "true"
        return self.changed(read)


def _matches(header: str, etag: str) -> bool:
    """Weak comparison, as RFC 9110 13.1.2 asks of If-None-Match."""
    return header.strip() == "*" or any(f'"{tag}"' == etag for _, tag in _etags(header))


IfMatch = Annotated[Expected, Depends(expected_versions)]
Reply = Annotated[Answer, provided(Answer)]
