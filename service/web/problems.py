"""Errors as responses: RFC 9457 ``application/problem+json``, written in one place.

A response has at most 4 KB, although an input may have any number of errors.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, chain, takewhile
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service.core.errors import (
    MAX_ERRORS,
    BadRequest,
    FieldError,
    MethodNotAllowed,
    NoSuchAddress,
    Refused,
    ServiceError,
    TooLarge,
    UnknownParameter,
    UnsupportedMedia,
    field_error,
    printable,
)
from service.core.request_id import current_request_id
from service.web.error_texts import names_at, sentence, unknown_name
from service.web.mlflow.errors import as_mlflow, is_mlflow

PROBLEM_JSON = "application/problem+json"
PROBLEM_BASE = "https://polystore.dev/problems/"
MAX_BYTES = 4000  # of the body of a response
MAX_PART = 200  # characters of a part of a pointer, which is as long as a feature's name may be
MAX_PATH = 200
MOST_BUILT = 5000  # errors of a value: building 500,000, of a list in 1 MiB, takes 18 s
ACCEPT_PATCH = "application/merge-patch+json, application/json"  # RFC 5789
_NO_SCHEMAS: Mapping[str, object] = {}
_PLACES = ("/query", "/path", "/header", "/cookie")


def problem(error: ServiceError, request_path: str) -> Response:
    """Return the response of an error."""
    status, added = as_mlflow(error) if is_mlflow(request_path) else (error.status, {})
    body: dict[str, Any] = {
        "type": PROBLEM_BASE + error.code.replace("_", "-"),
        "title": error.title,
        "status": status,
        "detail": error.message,
        "instance": printable(request_path, MAX_PATH),
        "code": error.code,
        "request_id": current_request_id(),
        **error.extra_fields,
        **added,
    }
    if error.errors:
        shown = _fitting(error.errors, MAX_BYTES - _size(body) - len('"errors_left_off":1000,'))
        body["errors"] = shown
        left_off = len(error.errors) - len(shown) + error.errors_left_off
        if left_off:
            body["errors_left_off"] = left_off
    return JSONResponse(body, status, error.headers, media_type=PROBLEM_JSON)


def _fitting(errors: Sequence[FieldError], max_bytes: int) -> list[FieldError]:
    """Return the first errors, as many as fit into ``max_bytes`` of JSON."""
    sizes = accumulate(_size(error) for error in errors)
    count = sum(1 for _ in takewhile(lambda size: size <= max_bytes, sizes))
    return list(errors[:count])


def _size(value: object) -> int:
    """Return the bytes of ``value`` as JSON, with the comma after it."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) + 1


def pointer_to(parts: Iterable[object]) -> str:
    """Return a pointer (RFC 6901): ``/items/3/a~1b`` for ``("items", 3, "a/b")``.

    Parts are cut at MAX_PART characters.
    """
    texts = (printable(str(part), MAX_PART) for part in parts)
    return "".join(f"/{text.replace('~', '~0').replace('/', '~1')}" for text in texts)


def invalid_input(
    errors: Iterable[Mapping[str, Any]], schemas: Mapping[str, object] = _NO_SCHEMAS
) -> ServiceError:
    """Return Pydantic's errors as one error, which never repeats the input.

    ``schemas`` has the type of the ``body`` and of the ``query``, for the names that there are.
    """
    field_errors = []
    unknown_parameter = False
    for place, error in enumerate(errors):
        where, *path = error["loc"] or ("body",)
        is_unknown = error["type"] == "extra_forbidden"
        unknown_parameter |= where == "query" and is_unknown
        prefix = () if where == "body" else (where,)
        detail = sentence(error)
        if is_unknown:  # comparing names takes time, and more are not shown
            known = names_at(schemas.get(where), path[:-1]) if place < MAX_ERRORS else ()
            kind = "parameter" if where == "query" else "field"
            detail = unknown_name(kind, path[-1], known)
        field_errors.append(
            field_error(pointer=pointer_to((*prefix, *path)), code=error["type"], detail=detail)
        )
    if unknown_parameter:
        return UnknownParameter(errors=field_errors)
    return Refused("Correct the places of the input that errors names.", errors=field_errors)


def invalid_value(error: ValidationError, where: str, schema: object) -> ServiceError:
    """Return the error of one value: the ``body`` or the ``query``, or a part that is like one.

    A value with more than MOST_BUILT errors has one error as a whole.
    """
    if error.error_count() > MOST_BUILT:
        detail = f"Correct more than {MOST_BUILT} errors."
        return Refused(detail, errors=[field_error("", "too_many_errors", detail)])
    details = error.errors(include_url=False, include_input=False)
    located = ({**item, "loc": (where, *item["loc"])} for item in details)
    return invalid_input(located, {where: schema})


def _in_query(error: FieldError) -> FieldError:
    """Return an error of a request without a body: a field that it names is in the query."""
    if error["pointer"].startswith(_PLACES):
        return error
    return {**error, "pointer": f"/query{error['pointer']}"}


# Errors of Starlette itself, by status.
_KINDS: dict[int, type[ServiceError]] = {404: NoSuchAddress, 405: MethodNotAllowed, 413: TooLarge}


async def answer_error(request: Request, error: Exception) -> Response:
    """Return the response of any expected error; ``main.py`` registers this handler."""
    if isinstance(error, RequestValidationError):
        error = invalid_input(error.errors(), _schemas_of(request.scope["route"]))
    elif isinstance(error, HTTPException):
        kind = _KINDS.get(error.status_code, BadRequest)
        headers = _allowed(request) if kind is MethodNotAllowed else error.headers
        error = kind(headers=headers)
    assert isinstance(error, ServiceError)  # noqa: S101 - the kinds main.py registers
    if isinstance(error, UnsupportedMedia) and request.method == "PATCH":
        error.headers.setdefault("Accept-Patch", ACCEPT_PATCH)
    if request.method == "GET" and not is_mlflow(request.url.path):
        error.errors = [_in_query(one) for one in error.errors]
    return problem(error, request.url.path)


def _schemas_of(route: APIRoute) -> dict[str, object]:
    body = route.body_field and route.body_field.field_info.annotation
    return {"query": _query_types(route.dependant), "body": body}


def _query_types(dependant: Dependant) -> list[object]:
    own = [parameter.field_info.annotation for parameter in dependant.query_params]
    return [*own, *chain.from_iterable(map(_query_types, dependant.dependencies))]


def _allowed(request: Request) -> dict[str, str]:
    """Return the methods of all routes of an address (RFC 9110); Starlette names the first only."""
    routes = [
        route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE
    ]
    methods = {method for route in routes for method in getattr(route, "methods", None) or ()}
    if "GET" in methods:
        methods.add("HEAD")  # which HeadMiddleware answers
    accepted = {"Accept-Patch": ACCEPT_PATCH} if "PATCH" in methods else {}
    return {"Allow": ", ".join(sorted(methods)), **accepted}
