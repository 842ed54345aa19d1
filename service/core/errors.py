"""Errors: one base class and a kind per status.

An error that a constraint or an index protects names it in ``guards``. The stores look the class up
when the database refuses, so that no repository catches anything and a race gets the same answer as
the plain case.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict

MAX_ERRORS = 20


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
    extra_fields: ClassVar[dict[str, str]] = {}  # of the body, beside those every refusal has
    constraints: ClassVar[str | tuple[str, ...]] = ()
    by_constraint: ClassVar[dict[str, type["ServiceError"]]] = {}

    def __init_subclass__(cls) -> None:
        names = (cls.constraints,) if isinstance(cls.constraints, str) else cls.constraints
        if "constraints" in cls.__dict__:
            for name in names:
                ServiceError.by_constraint[name] = cls

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.detail or self.title)
        self.message = detail or self.detail or self.title
        self.errors = list(errors)
        if not self.errors and self.pointer is not None:
            self.errors = [FieldError(pointer=self.pointer, code=self.code, detail=self.message)]
        self.headers = dict(headers or {})
        self.max_errors = MAX_ERRORS


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


class UnknownParameter(BadRequest):
    code, title = "unknown_parameter", "There is no such query parameter"
    detail = "Remove or correct the parameters named in errors; /docs lists those there are."


class NoSuchAddress(NotFound):
    code, title = "no_such_address", "There is no such address"
    detail = "The addresses there are stand in /docs."


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "This address does not take that method"
    detail = "The Allow header names those it takes."
