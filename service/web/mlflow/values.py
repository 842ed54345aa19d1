"""Types of the values in MLflow's requests; what MLflow's server would guess is refused."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import CoreSchema, core_schema

from service.web.text import usable_key, without_nul

MIN_INT64, MAX_INT64 = -(2**63), 2**63 - 1
MAX_MILLISECONDS = 253_402_300_799_999  # the end of the year 9999
MAX_KEY_CHARS = 250
_DIGITS = r"^-?[0-9]{1,19}$"
_FINITE = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
_SPECIAL = r"^(?i:nan|[-+]?inf(?:inity)?)$"


class _Integer:
    """An integer of 64 bits, as a number or as its digits; 1.0 is 1, and true is none."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        integer = core_schema.int_schema(ge=MIN_INT64, le=MAX_INT64)
        digits = core_schema.str_schema(strict=True, pattern=_DIGITS)
        return core_schema.union_schema(
            [
                core_schema.int_schema(strict=True, ge=MIN_INT64, le=MAX_INT64),
                core_schema.chain_schema([digits, integer]),
                core_schema.chain_schema([core_schema.float_schema(strict=True), integer]),
            ],
            mode="left_to_right",
            custom_error_type="integer_of_64_bits",
            custom_error_message=f"Send an integer from {MIN_INT64} to {MAX_INT64}",
        )


class _Number:
    """A float of 64 bits, as a number or as text, so that it may be NaN; true is none.

    A number beyond 64 bits, such as 1e400, is refused: infinite is what is named so, as text.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        finite = core_schema.float_schema(allow_inf_nan=False)
        texts = [
            core_schema.chain_schema([core_schema.str_schema(strict=True, pattern=pattern), number])
            for pattern, number in ((_FINITE, finite), (_SPECIAL, core_schema.float_schema()))
        ]
        nan = core_schema.no_info_plain_validator_function(_nan)
        return core_schema.union_schema(
            [core_schema.float_schema(strict=True, allow_inf_nan=False), *texts, nan],
            mode="left_to_right",
            custom_error_type="number",
            custom_error_message='Send a number, or "NaN", "Infinity" or "-Infinity" as text',
        )


def _nan(value: object) -> float:
    """Return NaN, the token of JSON as Python writes it."""
    if isinstance(value, float) and math.isnan(value):
        return value
    raise ValueError


class _Key:
    """A key of a metric, param or tag."""

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: object) -> CoreSchema:
        return core_schema.custom_error_schema(
            core_schema.no_info_after_validator_function(
                usable_key,
                core_schema.str_schema(strict=True, min_length=1, max_length=MAX_KEY_CHARS),
            ),
            custom_error_type="key",
            custom_error_message=f"Send a key of 1 to {MAX_KEY_CHARS} letters, digits, blanks and "
            "_ - . : / that does not begin with / or .. and has no empty part, . or .. in its path",
        )


def _named(names: tuple[str, ...]) -> BeforeValidator:
    """Accept the numbers of a protobuf enum too, which begin with 1, also as text."""
    numbers: Mapping[str, str] = {str(number): name for number, name in enumerate(names, 1)}

    def read(value: Any) -> Any:
        is_number = isinstance(value, int | str) and not isinstance(value, bool)
        return numbers.get(str(value), value) if is_number else value

    return BeforeValidator(read)


Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
RunStatus = Annotated[Status, _named(("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"))]
ViewType = Annotated[View, _named(("ACTIVE_ONLY", "DELETED_ONLY", "ALL"))]

Int64 = Annotated[int, _Integer]
Number = Annotated[float, _Number]
Milliseconds = Annotated[Int64, Field(ge=0, le=MAX_MILLISECONDS)]
"""A time, in milliseconds since 1970."""
Timestamp = Annotated[Int64, Field(ge=0)]
"""The time of a metric's point: milliseconds since 1970, or what the client took for that."""
MAX_PAGE = 50_000
PageSize = Annotated[Int64, Field(ge=1, le=MAX_PAGE)]
"""The size of a page; more is refused, not cut."""
Text = Annotated[str, AfterValidator(without_nul)]
MAX_IDS, MAX_NAMES = 20_000, 10  # a search of all experiments names each
Ids = Annotated[list[Text], Field(max_length=MAX_IDS)]
"""Ids of experiments to search in."""
OrderBy = Annotated[list[Text], Field(max_length=MAX_NAMES)]
"""Names that results are ordered by; each may be followed by ASC or DESC."""
Key = Annotated[str, _Key]
