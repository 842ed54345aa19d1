"""JSON values that BSON keeps in another type come back equal, over bytes of BSON."""

import json
from typing import Any

import pytest
from bson import Decimal128, decode, encode
from bson.codec_options import CodecOptions

from service.documents.predictions.reading.encoding import encode_json
from service.stores.mongo.client import CODEC
from service.stores.mongo.json_types import JSON_CODEC
from service.stores.mongo.json_values import first_fault, from_bson, to_bson

VALUES: list[dict[str, Any]] = [
    {"n": 2**64 - 1, "list": [[-(2**63) - 1, {"m": 10**34 - 1}]]},
    {"n": [2**63 - 1, -(2**63), 1.5, True, None, "", {}]},
    {"$ref": "#/a", "$id": "https://a.example/b"},
    {"$id": {"$ref": "b", "$id": [{"$ref": "c", "$id": 2**70}]}, "$ref": "a", "a.b": {"": 1}},
    {"$ref": "a", "$id": 1, "$db": "d", "id": 1, "_extra": {"$ref": 1, "$id": 2}},
    {"$ref": "a", "$id": None, "__getattr__": 1, "__dataclass_fields__": {}, "_DBRef__id": 7},
    {"$ref": 1, "$id": 1, "x": {"$ref": "a", "$db": None}},
]


@pytest.mark.parametrize("codec", [CODEC, JSON_CODEC], ids=["python", "json"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_json_value_comes_back_equal(value: dict[str, Any], codec: CodecOptions[Any]) -> None:
    stored = encode({"value": [to_bson(value)]}, codec_options=codec)
    assert from_bson(decode(stored, codec)) == {"value": [value]}
    assert json.loads(encode_json(decode(stored, codec))) == {"value": [value]}


def test_to_bson_without_large_numbers_is_the_same_object() -> None:
    value = VALUES[1]
    assert to_bson(value) is value


@pytest.mark.parametrize("text", ["12.50", "1E+30", "7", "NaN", "Infinity"])
def test_from_bson_other_decimal_is_text(text: str) -> None:
    assert from_bson([Decimal128(text)]) == [text]
    assert json.loads(encode_json([Decimal128(text)])) == [text]


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"$ref": "a", "$id": 1, "$db": None}]}, ("a", 1, "$db")),
        ({"a.b": {"": [10**34]}}, ("a.b", "", 0)),
        (-(10**34), ()),
    ],
)
def test_first_fault_has_its_place(value: Any, path: tuple[object, ...]) -> None:
    fault = first_fault(value)
    assert fault is not None
    assert fault[0] == path


def test_first_fault_of_what_comes_back_equal_is_none() -> None:
    assert first_fault(VALUES) is None
