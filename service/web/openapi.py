"""Errors and msgspec types in the OpenAPI document, derived from the classes themselves."""

from collections.abc import Iterable
from typing import Any

import msgspec
from pydantic import BaseModel, Field

from service.auth.caller import Forbidden, Unauthenticated
from service.auth.rate_limits import TooOften
from service.core.errors import (
    AddressTooLong,
    BadRequest,
    BodyTooSlow,
    Conflict,
    HeadersTooLarge,
    NotFound,
    PreconditionFailed,
    QueryTooSlow,
    Refused,
    ServiceError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from service.web.bodies.ndjson import BYTES, NDJSON
from service.web.problems import PROBLEM_JSON


class ProblemError(BaseModel):
    """One error at one place of the input."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[ProblemError] = Field(
        default=[], description="the first, as many as fit into 4 KB"
    )
    errors_left_off: int = Field(default=0, description="how many more errors there are")


# The errors of every route that each operation names: of reading the request, of a store that is
# down, of too many requests.
ANYWHERE = (BadRequest, Unauthenticated, Forbidden, Refused, TooOften, Unavailable)
# Those that ``default`` stands for, because no client treats them by operation.
OTHERS = (
    BodyTooSlow,
    TooLarge,
    AddressTooLong,
    UnsupportedMedia,
    HeadersTooLarge,
    QueryTooSlow,
)
OTHER_STATUSES = frozenset(str(kind.status) for kind in OTHERS)
# The components of responses, by status.
SHARED: dict[int | str, str] = {
    **{
        kind.status: kind.__name__
        for kind in (*ANYWHERE, NotFound, Conflict, PreconditionFailed, *OTHERS)
    },
    304: "NotModified",
    "default": "OtherProblem",
}


def problems(
    *errors: type[ServiceError], cached: bool = False, if_match: bool = False
) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses=`` of an endpoint: references, each with the codes of the endpoint.

    Args:
        errors: its errors, beyond those of every route.
        cached: it supports If-None-Match.
        if_match: it supports If-Match.
    """
    kinds: dict[int, list[type[ServiceError]]] = {}
    for kind in (*errors, *ANYWHERE, *((PreconditionFailed,) if if_match else ())):
        kinds.setdefault(kind.status, []).append(kind)
    responses: dict[int | str, dict[str, Any]] = {
        status: _problem_response(status, same) for status, same in sorted(kinds.items())
    }
    if cached:
        responses[304] = _shared(304, "Your copy is still good")
    return {**responses, "default": _shared("default", "Any other error")}


def _problem_response(status: int, kinds: Iterable[type[ServiceError]]) -> dict[str, Any]:
    """Return the response of errors with one status; a reference where the status is a component.

    A reference may have a description of its own (OpenAPI 3.1).
    """
    if status in SHARED:
        return _shared(status, codes_of(kinds))
    return {"description": codes_of(kinds), **PROBLEM_CONTENT}


def codes_of(kinds: Iterable[type[ServiceError]]) -> str:
    """Return the codes and the titles of errors, as a description."""
    return "; ".join(dict.fromkeys(f"`{kind.code}` {kind.title}" for kind in kinds))


def _shared(status: int | str, description: str) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/{SHARED[status]}", "description": description}


_REF = "#/components/schemas/{name}"
PROBLEM_CONTENT = {"content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(name="Problem")}}}}


def struct_schemas(*structs: type) -> dict[str, Any]:
    """Return the components of msgspec types, for :func:`complete_document`."""
    _, components = msgspec.json.schema_components(structs, ref_template=_REF)
    return components


def struct_content(
    struct: type, media_type: str = "application/json", example: object = None
) -> dict[str, Any]:
    """Return the ``content`` of a response that is a msgspec type."""
    content: dict[str, Any] = {"schema": schema_reference(struct)}
    if example is not None:
        content["example"] = example
    return {"content": {media_type: content}}


def lines_body(schema: dict[str, Any], example: object) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route whose body is NDJSON, each line of a schema."""
    lines = {
        "type": "string",
        "format": "binary",
        "contentMediaType": NDJSON,
        "contentSchema": schema,
    }
    text = msgspec.json.encode(example).decode() + "\n"
    return {
        "requestBody": {
            "required": True,
            "description": f"One JSON object per line; send it as `{NDJSON}` or as bytes.",
            "content": {BYTES: {"schema": lines, "example": text}},
        }
    }


def lines_content(struct: type, description: str) -> dict[str, Any]:
    """Return the response of lines that are a msgspec type each; bytes are answered with bytes."""
    return {
        "description": description,
        "content": {
            NDJSON: {"schema": schema_reference(struct)},
            BYTES: {"schema": {"type": "string", "format": "binary"}},
        },
    }


def header_references(*names: str) -> dict[str, Any]:
    """Return the ``headers`` of a response, by reference to those of the document."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def schema_reference(struct: type) -> dict[str, Any]:
    """Return the reference to the schema of a msgspec type."""
    return {"$ref": _REF.format(name=struct.__name__)}


def struct_body(
    struct: type, media_type: str = "application/json", example: object = None
) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route whose body is a msgspec type."""
    return {"requestBody": {"required": True, **struct_content(struct, media_type, example)}}
