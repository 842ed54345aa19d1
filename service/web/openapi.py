"""Errors and msgspec types in the OpenAPI document, derived from the classes themselves."""

from typing import Any

import msgspec
from pydantic import BaseModel, Field

from service.auth.caller import Forbidden, Unauthenticated
from service.auth.rate_limits import TooOften
from service.core.errors import (
    AddressTooLong,
    BadRequest,
    BodyTooSlow,
    HeadersTooLarge,
    PreconditionFailed,
    QueryTooSlow,
    Refused,
    ServiceError,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
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


# The errors of every route: of the middlewares, of reading the request, of a store that is down.
_ANYWHERE = (
    BadRequest,
    Unauthenticated,
    Forbidden,
    BodyTooSlow,
    TooLarge,
    AddressTooLong,
    UnsupportedMedia,
    Refused,
    TooOften,
    HeadersTooLarge,
    Unavailable,
    QueryTooSlow,
)


def problems(
    *errors: type[ServiceError], cached: bool = False, if_match: bool = False
) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses=`` of an endpoint.

    Args:
        errors: its errors, beyond those of every route.
        cached: it supports If-None-Match.
        if_match: it supports If-Match.
    """
    kinds: dict[int, list[type[ServiceError]]] = {}
    for kind in (*errors, *_ANYWHERE, *((PreconditionFailed,) if if_match else ())):
        kinds.setdefault(kind.status, []).append(kind)
    responses: dict[int | str, dict[str, Any]] = {
        status: {
            "description": "; ".join(f"`{kind.code}` {kind.title}" for kind in same),
            "content": {PROBLEM_JSON: {"schema": _PROBLEM_REF}},
        }
        for status, same in sorted(kinds.items())
    }
    if cached:
        responses[304] = {"description": "Your copy is still good"}
    return responses


_REF = "#/components/schemas/{name}"
_PROBLEM_REF = {"$ref": _REF.format(name="Problem")}


def struct_schemas(*structs: type) -> dict[str, Any]:
    """Return the components of msgspec types, for :func:`with_schemas`."""
    _, components = msgspec.json.schema_components(structs, ref_template=_REF)
    return components


def struct_content(
    struct: type, media_type: str = "application/json", example: object = None
) -> dict[str, Any]:
    """Return the ``content`` of a response that is a msgspec type."""
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(name=struct.__name__)}}
    if example is not None:
        content["example"] = example
    return {"content": {media_type: content}}


def struct_body(
    struct: type, media_type: str = "application/json", example: object = None
) -> dict[str, Any]:
    """Return the ``openapi_extra`` of a route whose body is a msgspec type."""
    return {"requestBody": {"required": True, **struct_content(struct, media_type, example)}}


def with_schemas(document: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Add the schema of all errors, and the schemas that are not Pydantic's."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}), Problem=problem, **more)
    _declare_api_keys(document)
    return document


def _declare_api_keys(document: dict[str, Any]) -> None:
    """Declare API keys wherever a token is accepted; /docs has a field for them."""
    schemes = document["components"].setdefault("securitySchemes", {})
    schemes["api_key"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `pk_<id>_<secret>`, or any other token.",
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            if {} in operation.get("security", ()):
                operation["security"] = [{}, {"bearer": []}, {"api_key": []}]
            elif "security" in operation:
                operation["security"] = [*operation["security"], {"api_key": []}]
