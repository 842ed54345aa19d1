"""Types and base classes of all schemas."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from service.web.text import composed, visible_name, without_nul

EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
MAX_ITEMS = 1000
EXAMPLE_ID = "01930d6e-7a00-7000-8000-000000000001"  # of an object in examples
MAX_TIME_CHARS = 1000
TIME_PATTERN = (
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?"
    "([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)$"
)
TIME_DETAIL = "Send RFC 3339 with offset, such as 2026-11-01T00:00:00Z"
_NO_OFFSET = "; this time ends without Z or an offset such as +01:00"
_BLANK_OFFSET = "; in a query write %2B for +, which is a blank there"
_parts = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(.*)"
).fullmatch
_offset = re.compile(r"([+-][0-9]{2})(?::?([0-9]{2}))?").fullmatch
_blank_offset = re.compile(r" [0-9]{2}(:?[0-9]{2})?").fullmatch
MONEY_PATTERN = r"^[0-9]+(\.[0-9]{1,2})?$"
MONEY_DETAIL = "Send an amount with at most two decimals, such as 12.50"
# A minus has a digit other than 0 behind it, because an amount has one zero.
_IS_AMOUNT = re.compile(r"(-(?=.*[1-9]))?[0-9]+(\.[0-9]{1,2})?").fullmatch


class RequestModel(BaseModel):
    """Base of request bodies: an unknown field is an error, so that no typo is lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResponseModel(BaseModel):
    """Base of responses; built from a row, a document or keyword arguments."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Versioned(ResponseModel):
    """A response with an ETag: ``version`` counts its changes from 1."""

    version: int

    def etag_value(self) -> str:
        """Return the version, and after a dot the counter that changes without a new version."""
        return str(self.version)


def _in_range(value: datetime) -> datetime:
    if not EARLIEST <= value < LATEST:
        raise ValueError("must lie between the years 1900 and 2200")
    return to_milliseconds(value)


def to_milliseconds(value: datetime) -> datetime:
    """Return the time in UTC, cut to milliseconds: both stores return it as it was sent."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def format_time(value: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds: ``2026-01-05T00:00:00.123Z``."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return f"{value.isoformat(timespec='milliseconds')[:-6]}Z"


def parse_time(text: str) -> datetime:
    """Return the time that RFC 3339 writes, with its offset and up to microseconds.

    Seconds may be missing, and so may the minutes of the offset and its colon. A comma, a blank or
    ``t`` for ``T``, and ``z`` are read too. A leap second is the last millisecond before it.

    Raises:
        ValueError: the text is no time or has no offset; the message has the right form.
    """
    parts = _parts(text) if len(text) <= MAX_TIME_CHARS else None
    if parts is None:
        raise ValueError(TIME_DETAIL)
    day, minute, second, fraction, zone = parts.groups()
    offset = _offset(zone)
    if offset is None and zone not in {"Z", "z"}:
        hint = "" if zone else _NO_OFFSET
        raise ValueError(TIME_DETAIL + (_BLANK_OFFSET if _blank_offset(zone) else hint))
    if second == "60":
        second, fraction = "59", "999"
    zone = f"{offset[1]}:{offset[2] or '00'}" if offset else "Z"
    try:
        # msgspec always read the times of events; so the hash of each stays the same.
        return msgspec.convert(
            f"{day}T{minute}:{second or '00'}.{fraction or '0'}{zone}", type=datetime
        )
    except msgspec.ValidationError as error:
        raise ValueError(TIME_DETAIL) from error


def _amount(value: Any) -> Any:
    # A Decimal comes from a store. A number is a binary float, which has a shortest form.
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str | int | float) and _IS_AMOUNT(str(value)):
        return str(value)
    raise ValueError(MONEY_DETAIL)


def _format_money(value: Decimal) -> str:
    return f"{value or abs(value):.2f}"  # older items may have -0.00


def _money_schema(pattern: str, mode: Literal["validation", "serialization"]) -> WithJsonSchema:
    """Return the schema of amounts of money: text, and a number too where one is read."""
    text: dict[str, Any] = {"type": "string", "pattern": pattern, "examples": ["12.50"]}
    number: dict[str, Any] = {"type": "number", "description": "with at most two decimals"}
    if pattern == MONEY_PATTERN:
        number["minimum"] = 0
    return WithJsonSchema({"anyOf": [text, number]} if mode == "validation" else text, mode=mode)


def _rfc3339(value: Any) -> Any:
    # Pydantic takes numbers, also as text, for seconds since 1970.
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        return parse_time(value)
    raise ValueError(TIME_DETAIL)


ExactText = Annotated[str, AfterValidator(without_nul)]  # comes back as it was sent
Text = Annotated[ExactText, AfterValidator(composed)]
VisibleText = Annotated[Text, AfterValidator(visible_name)]
Name = Annotated[VisibleText, Field(min_length=1, max_length=200)]
LongText = Annotated[Text, Field(max_length=100_000)]
Search = Annotated[Text, Field(min_length=1, max_length=200)]
StrictInt = Annotated[int, Field(strict=True)]
StrictBool = Annotated[bool, Field(strict=True)]
_time_text = PlainSerializer(format_time, return_type=str, when_used="json")
_time_out = WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")
Time = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc3339),
    AfterValidator(_in_range),
    Field(json_schema_extra={"pattern": TIME_PATTERN}),
    _time_text,
    _time_out,
]
# As it comes from a store, which has no others: what goes out is not checked again.
Moment = Annotated[datetime, _time_text, _time_out]
_MoneyText = PlainSerializer(_format_money, return_type=str, when_used="json")
_SignedOut = _money_schema(r"^-?[0-9]+\.[0-9]{2}$", "serialization")
# Goes out as text with two decimals, for a JSON number passes through binary floats.
Money = Annotated[
    Decimal,
    Field(strict=False, ge=0, max_digits=14, decimal_places=2),
    BeforeValidator(_amount),
    _MoneyText,
    _money_schema(MONEY_PATTERN, "validation"),
    _money_schema(r"^[0-9]+\.[0-9]{2}$", "serialization"),
]
Currency = Annotated[
    str, Field(pattern=r"^[A-Z]{3}$", description="three capitals, as ISO 4217 has them: `EUR`")
]
# What many prices come to, as wide as it may be; it only goes out.
Sum = Annotated[Decimal, _MoneyText, _SignedOut]
# What an account holds, or an entry does to it: below zero too.
SignedMoney = Annotated[
    Decimal,
    Field(strict=False, max_digits=18, decimal_places=2),
    BeforeValidator(_amount),
    _MoneyText,
    _money_schema(MONEY_PATTERN.replace("^", "^-?"), "validation"),
    _SignedOut,
]


def changes(update: BaseModel) -> dict[str, Any]:
    """Return the fields of a merge patch (RFC 7396): absent ones are left out, null is None."""
    return update.model_dump(exclude_unset=True)
