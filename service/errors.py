"""Refusals: one base class, a kind per status, and the one shape they all travel in.

The body is RFC 9457 ``application/problem+json``. A refusal that a constraint or an index guards
names it in ``guards``: the stores look the class up there when the database says no, so that no
repository has to catch anything, and a race is refused in the same words as the plain case.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from service.request_id import current_request_id

PROBLEM_JSON = "application/problem+json"
PROBLEM_BASE = "https://polystore.dev/problems/"
MOST_ERRORS = 20


class FieldError(TypedDict):
    """One thing wrong with one place of the input; ``pointer`` is RFC 6901."""

    pointer: str
    code: str
    detail: str


class ServiceError(Exception):
    """Base of all refusals. Subclasses set the class attributes; instances add what is special."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    detail: ClassVar[str] = ""
    pointer: ClassVar[str | None] = None
    members: ClassVar[dict[str, str]] = {}  # of the body, beside those every refusal has
    guards: ClassVar[str | tuple[str, ...]] = ()
    guarded: ClassVar[dict[str, type["ServiceError"]]] = {}

    def __init_subclass__(cls) -> None:
        names = (cls.guards,) if isinstance(cls.guards, str) else cls.guards
        if "guards" in cls.__dict__:
            for name in names:
                ServiceError.guarded[name] = cls

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.detail or self.title)
        self.said = detail or self.detail or self.title
        self.errors = list(errors)
        if not self.errors and self.pointer is not None:
            self.errors = [FieldError(pointer=self.pointer, code=self.code, detail=self.said)]
        self.headers = dict(headers or {})
        self.most_errors = MOST_ERRORS


class BadRequest(ServiceError):
    status, code, title = 400, "bad_request", "The request could not be read"


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "Nothing is here"


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "It does not fit what is stored"


class PreconditionFailed(ServiceError):
    status, code, title = 412, "precondition_failed", "It has changed since you read it"
    detail = "Read it again, then send the change with the new ETag in If-Match."


class TooLarge(ServiceError):
    status, code, title = 413, "body_too_large", "The body is too large"


class BodyTooSlow(BadRequest):
    status, code, title = 408, "body_too_slow", "The rest of the body did not come"


class AddressTooLong(ServiceError):
    status, code, title = 414, "address_too_long", "The address is too long"
    detail = "At most 8 KiB are taken."


class HeadersTooLarge(ServiceError):
    status, code, title = 431, "headers_too_large", "The headers are too large"
    detail = "At most 16 KiB are taken."


class UnsupportedMedia(ServiceError):
    status, code, title = 415, "unsupported_media_type", "This kind of body is not taken here"


class Refused(ServiceError):
    status, code, title = 422, "invalid", "The input breaks a rule"


class Unavailable(ServiceError):
    status, code, title = 503, "unavailable", "The store cannot answer now"
    store_fails: ClassVar[bool] = True  # counts towards leaving the store alone for a second

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class OutcomeUnknown(Unavailable):
    code, title = "outcome_unknown", "It may or may not have been done"
    detail = "No answer came in time. Repeat it with the same Idempotency-Key or id, or look first."


class QueryTooSlow(ServiceError):
    status, code, title = 504, "query_timeout", "The query ran past its limit"
    detail = "Narrow the filters, or ask for fewer items."


def problem(error: ServiceError, request_path: str) -> Response:
    """The answer that carries a refusal."""
    body: dict[str, Any] = {
        "type": PROBLEM_BASE + error.code.replace("_", "-"),
        "title": error.title,
        "status": error.status,
        "detail": error.said,
        "instance": request_path,
        "code": error.code,
        "request_id": current_request_id(),
        **error.members,
    }
    if error.errors:
        body["errors"] = error.errors[: error.most_errors]
    return JSONResponse(body, error.status, error.headers, media_type=PROBLEM_JSON)


def pointer_to(parts: Iterable[object]) -> str:
    """RFC 6901: ``("items", 3, "a/b")`` becomes ``/items/3/a~1b``."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in parts)


def invalid_input(errors: Iterable[Mapping[str, Any]]) -> ServiceError:
    """Pydantic's findings as one refusal; what was sent is never repeated in it."""
    found = []
    unknown_parameter = False
    for error in errors:
        where, *path = error["loc"] or ("body",)
        unknown_parameter |= where == "query" and error["type"] == "extra_forbidden"
        prefix = () if where == "body" else (where,)
        found.append(
            FieldError(
                pointer=pointer_to((*prefix, *path)), code=error["type"], detail=error["msg"]
            )
        )
    if unknown_parameter:
        return UnknownParameter(errors=found)
    return Refused("See errors: each names its place in the input.", errors=found)


class UnknownParameter(BadRequest):
    code, title = "unknown_parameter", "There is no such query parameter"
    detail = "Remove or correct the parameters named in errors; /docs lists those there are."


class NoSuchAddress(NotFound):
    code, title = "no_such_address", "There is no such address"
    detail = "The addresses there are stand in /docs."


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "This address does not take that method"
    detail = "The Allow header names those it takes."


# What Starlette itself refuses, in our words.
_KINDS: dict[int, type[ServiceError]] = {404: NoSuchAddress, 405: MethodNotAllowed, 413: TooLarge}


async def answer_refusal(request: Request, error: Exception) -> Response:
    """The one error handler: every refusal leaves through here."""
    if isinstance(error, RequestValidationError):
        error = invalid_input(error.errors())
    elif isinstance(error, HTTPException):
        kind = _KINDS.get(error.status_code, BadRequest)
        headers = {"Allow": _allowed(request)} if kind is MethodNotAllowed else error.headers
        error = kind(headers=headers)
    assert isinstance(error, ServiceError)  # noqa: S101 - the kinds main.py registers
    return problem(error, request.url.path)


def _allowed(request: Request) -> str:
    """The methods of all routes of an address; Starlette names those of the first (RFC 9110)."""
    found = [each for each in request.app.routes if each.matches(request.scope)[0] != Match.NONE]
    return ", ".join(sorted({method for each in found for method in each.methods or ()}))
