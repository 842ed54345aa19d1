"""The types that travel."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies
from pydantic import TypeAdapter, ValidationError

from service.web.schemas import (
    TIME_DETAIL,
    Money,
    RequestModel,
    SignedMoney,
    StrictBool,
    StrictInt,
    Text,
    Time,
    changes,
    format_time,
    parse_time,
)

time = TypeAdapter[Time](Time)
money, signed_money = TypeAdapter[Money](Money), TypeAdapter[SignedMoney](SignedMoney)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-05T00:00:00Z", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05T01:30:00.123999+01:30", "2026-01-05T00:00:00.123Z"),
        ("1900-01-01T00:00:00Z", "1900-01-01T00:00:00.000Z"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999Z"),
        ("2200-01-01T00:00:00+14:00", "2199-12-31T10:00:00.000Z"),
        ("2026-01-05T00:00Z", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05 00:00z", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05t00:00+00", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05T00:00:00-0000", "2026-01-05T00:00:00.000Z"),
        ("2026-01-05T00:00:00,5-01", "2026-01-05T01:00:00.500Z"),
        ("2026-01-05T00:00:00.123456789012345678901234567890Z", "2026-01-05T00:00:00.123Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2017-01-01T01:29:60.5+01:30", "2016-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_converted_to_utc_milliseconds(sent: str, read: str) -> None:
    value = time.validate_python(sent)
    assert value.utcoffset() == timedelta(0)
    assert time.dump_python(value, mode="json") == read


@pytest.mark.parametrize(
    "sent",
    [
        "2026-01-05T00:00:00",
        "2026-01-05",
        "yesterday",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1899-12-31T23:59:59.999Z",
        "2200-01-01T00:00:00Z",
        "20261101",
        "1700000000.5",
        "-5",
        "2026-01-05_00:00:00Z",
        "2026-01-05T00:00.5Z",
        "2026-01-05T00:00:00.Z",
        "2026-01-05T00:00:61Z",
        "2026-01-05T24:00:00Z",
        "2026-01-05T00:00:00+01:",
        "2026-01-05T00:00:00+1:00",
        "2026-01-05T00:00:00+24",
        "\u0662026-01-05T00:00:00Z",
        "2026-01-05T00:00:0\uff10Z",
        f"2026-01-05T00:00:00.{'0' * 1000}Z",
        "2026-01-05T00:00:00\u221200:00",
        "2026-01-05T00:00:00Z\n",
        20261102,
        1700000000.25,
        None,
        True,
    ],
)
def test_time_without_offset_or_out_of_range_is_invalid(sent: Any) -> None:
    with pytest.raises(ValidationError):
        time.validate_python(sent)


@pytest.mark.parametrize(
    ("sent", "hint"),
    [
        ("2026-01-05T00:00:00", "ends without Z or an offset"),
        ("2026-01-05 00:00", "ends without Z or an offset"),
        ("2026-01-05T00:00:00 01:00", "write %2B for +"),
        ("yesterday", "such as 2026-11-01T00:00:00Z"),
    ],
)
def test_time_without_offset_is_refused_with_a_hint(sent: str, hint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)) as caught:
        parse_time(sent)
    assert TIME_DETAIL in str(caught.value)


@given(
    moment=strategies.datetimes(timezones=strategies.timezones()),
    digits=strategies.integers(0, 12),
    sep=strategies.sampled_from("Tt "),
)
def test_parse_time_agrees_with_msgspec(moment: datetime, digits: int, sep: str) -> None:
    offset = f"{moment:%z}"[:5]
    fraction = f".{moment.microsecond:06}371944"[: digits + 1] if digits else ""
    text = f"{moment.year:04}{moment:-%m-%d}{sep}{moment:%H:%M:%S}{fraction}{offset}"
    try:
        expected = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return
    assert parse_time(text) == expected


def test_time_of_other_zone_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=-5))
    moment = datetime(2026, 1, 5, 0, 0, 0, 1500, tzinfo=zone)
    assert format_time(moment) == "2026-01-05T05:00:00.001Z"
    assert format_time(moment) == format_time(moment.astimezone(UTC))


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ('"249.00"', "249.00"),
        ('"0"', "0.00"),
        ('"0.00"', "0.00"),
        ('"7.5"', "7.50"),
        ('"007"', "7.00"),
        ('"999999999999.99"', "999999999999.99"),
        ("19.99", "19.99"),
        ("0.1", "0.10"),
        ("4", "4.00"),
        ("999999999999.99", "999999999999.99"),
    ],
)
def test_money_is_written_with_two_decimals(sent: str, written: str) -> None:
    value = money.validate_python(json.loads(sent))
    assert value == Decimal(written)
    assert money.dump_python(value, mode="json") == written


@pytest.mark.parametrize("cents", [1, 7, 10, 29, 57, 113, 1999, 99_999_999_999_999])
def test_money_as_number_is_read_as_it_is_written(cents: int) -> None:
    written = f"{cents // 100}.{cents % 100:02}"
    assert money.validate_python(json.loads(written)) == Decimal(written)


TEXTS_NO_AMOUNTS = (
    *("-0.00", "-0", "1e2", "1E+3", "1_000", "1 000", " 1", "1 ", "1\n", "", ".5", "1.", "+1"),
    *("1,50", "0x10", "NaN", "Infinity", "1.005", "1.500", "\u0661", "\uff11", "1.\u0665", "--1"),
)
NO_AMOUNTS: tuple[Any, ...] = (
    -0.0,
    0.1 + 0.2,
    2.005,
    1e22,
    1e-7,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    {},
)


@pytest.mark.parametrize("sent", [*TEXTS_NO_AMOUNTS, *NO_AMOUNTS])
def test_money_in_another_form_is_invalid(sent: Any) -> None:
    for kind in (money, signed_money):
        with pytest.raises(ValidationError, match=r"at most two decimals, such as 12\.50"):
            kind.validate_python(sent)


@pytest.mark.parametrize("sent", TEXTS_NO_AMOUNTS)
def test_money_pattern_is_the_rule_of_text(sent: str) -> None:
    """Python's ``$`` also matches before a line feed, that of JSON Schema does not."""
    (text, _) = money.json_schema()["anyOf"]
    assert not re.search(text["pattern"].replace("$", r"\Z"), sent)


@pytest.mark.parametrize("sent", ["-0.01", -1, "1000000000000", 1e12])
def test_money_out_of_range_is_invalid(sent: Any) -> None:
    with pytest.raises(ValidationError):
        money.validate_python(sent)


@pytest.mark.parametrize(("sent", "written"), [("-12.5", "-12.50"), (-3, "-3.00"), ("7", "7.00")])
def test_signed_money_has_a_minus(sent: Any, written: str) -> None:
    value = signed_money.validate_python(sent)
    assert signed_money.dump_python(value, mode="json") == written
    pattern = signed_money.json_schema(mode="serialization")["pattern"]
    assert re.search(pattern, written)


@pytest.mark.parametrize(("stored", "written"), [("1E+3", "1000.00"), ("-0.00", "0.00")])
def test_money_stored_in_another_form_is_written_alike(stored: str, written: str) -> None:
    value = money.validate_python(Decimal(stored))
    assert money.dump_python(value, mode="json") == written


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (StrictInt, False),
        (StrictInt, "1"),
        (StrictInt, 1.0),
        (StrictBool, 0),
        (StrictBool, "true"),
        (Text, "a\x00b"),
        (Text, 7),
    ],
)
def test_value_of_other_type_is_invalid(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


class _Update(RequestModel):
    name: str | None = None
    size: int | None = None


def test_changes_distinguish_absent_from_null() -> None:
    assert changes(_Update.model_validate({"name": None})) == {"name": None}
    assert changes(_Update.model_validate({})) == {}


def test_unknown_field_is_invalid() -> None:
    with pytest.raises(ValidationError):
        _Update.model_validate({"n4me": "x"})
