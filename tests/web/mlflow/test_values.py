"""Values of MLflow's requests: what is read, and what is refused rather than guessed."""

import json
import math
import posixpath
import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from service.web.mlflow.values import (
    MAX_INT64,
    Int64,
    Key,
    Milliseconds,
    Number,
    RunStatus,
    Text,
    ViewType,
)


def read(kind: Any, text: str) -> Any:
    return TypeAdapter(kind).validate_json(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ('"12"', 12),
        ('"-5"', -5),
        ("1.0", 1),
        ("1e3", 1000),
        (f"{MAX_INT64}", MAX_INT64),
        (f'"{-MAX_INT64 - 1}"', -MAX_INT64 - 1),
    ],
)
def test_integer_of_any_form_is_read(text: str, value: int) -> None:
    assert read(Int64, text) == value


@pytest.mark.parametrize(
    "text",
    ["1.5", '"1.5"', "true", "null", f"{2**63}", f'"{2**63}"', "NaN", "1e30", '""', '" 1"', "[1]"],
)
def test_integer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="Send an integer from -9223372036854775808 to"):
        read(Int64, text)


@pytest.mark.parametrize(
    "text",
    [
        "1",
        '"1"',
        "5e-324",
        "-0.0",
        "12345678901234567890",
        '"1e3"',
        '".5"',
        '"Infinity"',
        '"-Infinity"',
        '"inf"',
    ],
)
def test_number_is_kept_exactly(text: str) -> None:
    value = read(Number, text)
    wanted = float(json.loads(text))
    assert (value, math.copysign(1, value)) == (wanted, math.copysign(1, wanted))


@pytest.mark.parametrize("text", ["NaN", '"NaN"'])
def test_number_may_be_nan(text: str) -> None:
    assert math.isnan(read(Number, text))


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "null",
        '"x"',
        '""',
        "[]",
        '"1_000"',
        '" 1"',
        "1e400",
        "-1e400",
        "9" * 400,
        '"1e999"',
        f'"{"9" * 400}"',
        "Infinity",
        '"\u0661"',
    ],
)
def test_number_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="Send a number"):
        read(Number, text)


def test_name_or_number_of_an_enum_is_read() -> None:
    assert [read(ViewType, text) for text in ('"ALL"', "3", '"3"')] == ["ALL"] * 3
    assert [read(RunStatus, text) for text in ('"FINISHED"', "3")] == ["FINISHED"] * 2


@pytest.mark.parametrize("text", ['"NOPE"', "0", "4", "true", "[]", "{}", '"all"', "null"])
def test_name_unknown_to_an_enum_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        read(ViewType, text)


def test_text_with_nul_is_refused() -> None:
    with pytest.raises(ValidationError, match="NUL"):
        read(Text, r'"a\u0000"')
    with pytest.raises(ValidationError):
        read(Text, r'"\ud800"')


@pytest.mark.parametrize("text", ["-1", "253402300800000", '"-1"', "1.5"])
def test_time_outside_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        read(Milliseconds, text)


KEYS = [
    "a", "R²", "é", "a b:c-d_e.f", "a/b", "a/.b", "a/..b", "a/...", ".a", "..a", "...", ".", "..",
    "", "/a", "a/", "a//b", "a/../b", "a/./b", "../a", "a\n", "a\tb", "a,b", "a\\b", "./a", "a/..",
    "٣", "e\u0301",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_key_is_accepted_as_mlflow_accepts_it(key: str) -> None:
    normal = posixpath.normpath(key)
    fits = re.fullmatch(r"[/\w.\- :]*", key) is not None
    if fits and normal == key and normal != "." and not normal.startswith(("..", "/")):
        assert TypeAdapter(Key).validate_python(key) == key
    else:
        with pytest.raises(ValidationError, match="Send a key"):
            TypeAdapter(Key).validate_python(key)


def test_key_too_long_is_refused() -> None:
    assert TypeAdapter(Key).validate_python("k" * 250) == "k" * 250
    with pytest.raises(ValidationError):
        TypeAdapter(Key).validate_python("k" * 251)
