"""Responses, headers and parameters that operations share, by reference."""

from http import HTTPStatus
from typing import Any

from service.core.errors import Conflict, NotFound, PreconditionFailed
from service.web.openapi import (
    ANYWHERE,
    OTHERS,
    PROBLEM_CONTENT,
    SHARED,
    codes_of,
    header_references,
)

IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A fresh UUID for example. The same request with the same key repeats the first "
    "response for 24 hours, so that a retry has no second effect.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of your copy; 304 if it is still good.",
    "schema": {"type": "string"},
}


def _header(description: str, example: str, kind: str = "string") -> dict[str, Any]:
    value: object = int(example) if kind == "integer" else example
    return {"description": description, "schema": {"type": kind, "examples": [value]}}


HEADERS = {
    "ETag": _header("The version of the object, for If-Match and If-None-Match.", '"3"'),
    "Location": _header(
        "The address of the object.", "/v1/users/01930d6e-7a00-7000-8000-000000000001"
    ),
    "Link": _header(
        "The addresses of the pages around (RFC 8288): `next` if there is one, and of a page by "
        "number also `prev`, `first` and `last`.",
        '</v1/users?limit=50&cursor=…>; rel="next"',
    ),
    "Retry-After": _header("Seconds to wait before the next attempt.", "1", "integer"),
    "RateLimit": _header(
        "`r` requests are left for `t` seconds; absent where nothing is counted.",
        '"caller";r=599;t=60',
    ),
    "RateLimit-Policy": _header("`q` requests in `w` seconds are allowed.", '"caller";q=600;w=60'),
    "X-Request-Id": _header(
        "The id of the request, which logs and errors carry. Send one to set it.",
        "01930d6e-7a00-7000-8000-000000000002",
    ),
    "Idempotency-Replayed": _header(
        "`true`: the response to an earlier request with this Idempotency-Key.", "true"
    ),
    "WWW-Authenticate": _header("The credentials to send.", 'Bearer realm="polystore"'),
}
# Of error responses, beside X-Request-Id.
_HEADERS_OF: dict[int | str, tuple[str, ...]] = {
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    409: ("Retry-After",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}


def shared_responses() -> dict[str, Any]:
    """Return ``components.responses``: one per status, and one for all errors without their own."""
    kinds = (*ANYWHERE, NotFound, Conflict, PreconditionFailed, *OTHERS)
    descriptions: dict[int | str, str] = {kind.status: codes_of([kind]) for kind in kinds}
    others = ", ".join(f"{kind.status} {codes_of([kind])}" for kind in OTHERS)
    descriptions["default"] = f"Any other error: {others}"
    responses = {
        SHARED[status]: {"description": text, **PROBLEM_CONTENT, "headers": _headers_of(status)}
        for status, text in descriptions.items()
    }
    not_modified = {"description": "Your copy is still good", "headers": _headers_of(304)}
    return {**responses, SHARED[HTTPStatus.NOT_MODIFIED]: not_modified}


def _headers_of(status: int | str) -> dict[str, Any]:
    return header_references(*_HEADERS_OF.get(status, ()), "X-Request-Id")
