"""Errors: one base class and a kind per status.

An error that a constraint or an index enforces names it in ``constraints``. The stores look the
class up when the database reports a violation, so that no repository catches anything and a race
gets the same response as the plain case.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypedDict

MAX_ERRORS = 20
MAX_TEXT = 400  # characters of a pointer or a detail, which may name a part of the input
_SURROGATE = re.compile("[\ud800-\udfff]")


class FieldError(TypedDict):
    """An error at one place of the input; ``pointer`` is RFC 6901. :func:`field_error` makes it."""

    pointer: str
    code: str
    detail: str


def field_error(pointer: str, code: str, detail: str) -> FieldError:
    """Return an error that any encoder can write, whatever the input was."""
    return FieldError(pointer=printable(pointer), code=code, detail=printable(detail))


def has_surrogate(text: str) -> bool:
    """Return whether ``text`` has half of a surrogate pair, which UTF-8 cannot encode."""
    return _SURROGATE.search(text) is not None


def printable(text: str, length: int = MAX_TEXT) -> str:
    """Return at most ``length`` characters; U+FFFD stands for what UTF-8 cannot encode."""
    if not text.isascii():
        text = _SURROGATE.sub("\ufffd", text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


class ServiceError(Exception):
    """Base of all errors. Subclasses set the class attributes; instances add details.

    ``errors_left_off`` counts what ``errors`` would have beyond what any response can show.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    detail: ClassVar[str] = ""
    pointer: ClassVar[str | None] = None
    extra_fields: ClassVar[dict[str, str]] = {}  # of the body, beside those of every error
    constraints: ClassVar[str | tuple[str, ...]] = ()
    errors_left_off: int = 0
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
        self.message = printable(detail or self.detail or self.title)
        super().__init__(self.message)
        self.errors = list(errors)
        if not self.errors and self.pointer is not None:
            self.errors = [field_error(self.pointer, self.code, self.message)]
        self.headers = dict(headers or {})


class BadRequest(ServiceError):
    status, code, title = 400, "bad_request", "Request cannot be read"


class NotFound(ServiceError):
    status, code, title = 404, "not_found", "Object does not exist"


class Conflict(ServiceError):
    status, code, title = 409, "conflict", "Request conflicts with stored data"


class PreconditionFailed(ServiceError):
    status, code, title = 412, "precondition_failed", "Object has changed since you read it"
    detail = "Read it again, then send the change with the new ETag in If-Match."


class TooLarge(ServiceError):
    status, code, title = 413, "body_too_large", "Body is too large"


class BodyTooSlow(BadRequest):
    status, code, title = 408, "body_too_slow", "Body arrives too slowly"


class AddressTooLong(ServiceError):
    status, code, title = 414, "address_too_long", "Address is too long"
    detail = "Send at most 8 KiB."


class HeadersTooLarge(ServiceError):
    status, code, title = 431, "headers_too_large", "Headers are too large"
    detail = "Send at most 16 KiB."


class UnsupportedMedia(ServiceError):
    status, code, title = 415, "unsupported_media_type", "Body has an unsupported type"


class Refused(ServiceError):
    status, code, title = 422, "invalid", "Input is not valid"


class Unavailable(ServiceError):
    status, code, title = 503, "unavailable", "Store is unavailable"
    store_fails: ClassVar[bool] = True  # counts as a failure of the store for the circuit breaker

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class OutcomeUnknown(Unavailable):
    code, title = "outcome_unknown", "Outcome is unknown"
    detail = "Repeat the request with the same Idempotency-Key or id, or read the object first."


class Collision(Unavailable):
    store_fails = False
    code, title = "collision", "Too many concurrent changes of the same object"
    detail = "Repeat the request."


class QueryTooSlow(ServiceError):
    status, code, title = 504, "query_timeout", "Query took too long"
    detail = "Narrow the filters, or request fewer items."


class UnknownParameter(BadRequest):
    code, title = "unknown_parameter", "Query parameter does not exist"
    detail = "Remove or correct the parameters named in errors; /docs lists the known ones."


class NoSuchAddress(NotFound):
    code, title = "no_such_address", "Address does not exist"
    detail = "See /docs for the known addresses."


class MethodNotAllowed(ServiceError):
    status, code, title = 405, "method_not_allowed", "Method is not allowed"
    detail = "Use a method of the Allow header."
