"""Strict JSON: accepted bodies, and bodies that only lenient parsers accept."""

import json
from typing import Any

import pytest

from service.core.errors import ServiceError
from service.web.bodies.strict_json import parse_body, parse_json

DEEP = 32


def _nested(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def _refusal(body: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        parse_json(body)
    return refused.value


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b'{"a": 1} x', "invalid_json"),
        (b'{"a": 1,}', "invalid_json"),
        (b"{'a': 1}", "invalid_json"),
        (b'{"a": NaN}', "invalid_json"),
        (b'{"a": -Infinity}', "invalid_json"),
        (b'{"a": 01}', "invalid_json"),
        (b'{"a": "\n"}', "invalid_json"),
        (b'{"a": [' + b"9" * 5000 + b"}", "invalid_json"),
        (b'{"a": "\xff"}', "invalid_utf8"),
        (b"\xef\xbb\xbf{}", "invalid_utf8"),
        ('{"a": 1}'.encode("utf-16"), "invalid_utf8"),
        ('{"a": "\ud800"}'.encode("utf-8", "surrogatepass"), "invalid_utf8"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', "duplicate_key"),
        (_nested(DEEP + 1), "too_deep"),
        (_nested(900), "too_deep"),
        (_nested(100_000), "too_deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    ],
)
def test_json_not_strict_is_400(body: bytes, code: str) -> None:
    refusal = _refusal(body)
    assert (refusal.status, refusal.code) == (400, code)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b'{"a": "\\u0000"}', "/a", "nul_character"),
        (b'{"a": {"b\\u0000": 1}}', "/a/b\x00", "nul_character"),
        (b'{"a": ["x", "\\ud800"]}', "/a/1", "invalid_unicode"),
        (b'{"a/b~c": "\\udc00\\ud800"}', "/a~1b~0c", "invalid_unicode"),
        (b'{"a": 9223372036854775808}', "/a", "integer_out_of_range"),
        (b'{"a": -9223372036854775809}', "/a", "integer_out_of_range"),
        (b'{"a": [[18446744073709551616]]}', "/a/0/0", "integer_out_of_range"),
        (b'{"a": [-' + b"9" * 5000 + b"]}", "/a/0", "integer_out_of_range"),
        (b'{"a": 1e400}', "/a", "number_out_of_range"),
        (b'{"a": -1e400}', "/a", "number_out_of_range"),
    ],
)
def test_json_not_storable_is_an_error_with_pointer(body: bytes, pointer: str, code: str) -> None:
    refusal = _refusal(body)
    assert refusal.status == 422
    assert [(error["pointer"], error["code"]) for error in refusal.errors] == [(pointer, code)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "/a/b"),
        (b'[1, {"a": {}, "a": []}]', "/1/a"),
        (b'{"a": [1, NaN]}', "/a/1"),
        (b'{"a/b": -Infinity}', "/a~1b"),
    ],
)
def test_json_not_strict_has_a_pointer(body: bytes, pointer: str) -> None:
    assert [error["pointer"] for error in _refusal(body).errors] == [pointer]


async def test_json_element_apart_is_invalid_by_itself() -> None:
    body = b'{"items": ["\\ud800", 1, {"a": 1, "a": 2}, NaN], "b": 2}'
    value = await parse_body(body, {"items"})
    texts, one, twice, not_a_number = value["items"]
    assert (one, value["b"]) == (1, 2)
    assert [
        [(error["pointer"], error["code"]) for error in item.error.errors]
        for item in (texts, twice, not_a_number)
    ] == [[("", "invalid_unicode")], [("/a", "duplicate_key")], [("", "invalid_json")]]
    with pytest.raises(ServiceError, match="lone surrogates"):
        await parse_body(b'{"items": [], "b": "\\ud800"}', {"items"})


async def test_json_list_apart_that_is_repeated_is_refused() -> None:
    with pytest.raises(ServiceError) as refused:
        await parse_body(b'{"items": [1], "items": [2]}', {"items"})
    assert [error["code"] for error in refused.value.errors] == ["duplicate_key"]


async def test_json_large_integers_are_kept_in_their_field_alone() -> None:
    body = b'{"a": {"b": [%d]}, "c": %d}' % (2**64, 2**63)
    with pytest.raises(ServiceError) as refused:
        await parse_body(body, large_integers={"a"})
    assert [error["pointer"] for error in refused.value.errors] == ["/c"]
    assert await parse_body(body, large_integers={"a", "c"}) == {"a": {"b": [2**64]}, "c": 2**63}


async def test_json_elements_apart_are_counted_together() -> None:
    with pytest.raises(ServiceError, match="20000 values"):
        await parse_body(json.dumps({"items": [[1] * 300] * 70}).encode(), {"items"})


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -1.5, True, None, "ü🦉\u2028", {}, []], "": 2**63 - 1, "$b.c": -(2**63)},
        [],
        "text",
        json.loads(_nested(DEEP)),
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_valid_is_read_unchanged(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "value", [list(range(20_100)), {str(n): n for n in range(10_100)}, [[1] * 300] * 70]
)
def test_json_with_too_many_values_is_an_error(value: Any) -> None:
    refusal = _refusal(json.dumps(value).encode())
    assert (refusal.status, len(refusal.message) < 200) == (422, True)


def test_json_error_does_not_repeat_the_input() -> None:
    for body in (b'{"a": "secret\\u0000"}', b'{"a": secret}', b'{"a": "secret'):
        refusal = _refusal(body)
        assert "secret" not in refusal.message + str(refusal.errors)
