"""JSON values that BSON keeps in another type come back equal, over bytes of BSON."""

import json
from typing import Any

import pytest
from bson import Decimal128, decode, encode
from bson.codec_options import CodecOptions

from service.documents.predictions.reading.encoding import encode_json
from service.stores.mongo.client import CODEC
from service.stores.mongo.json_types import JSON_CODEC
from service.stores.mongo.json_values import from_bson, loses_null, to_bson

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
def test_from_bson_other_decimal_stays(text: str) -> None:
    assert from_bson([Decimal128(text)]) == [Decimal128(text)]
    assert json.loads(encode_json([Decimal128(text)])) == [text]


def test_loses_null_is_true_for_a_reference_to_no_database() -> None:
    assert loses_null({"$ref": "a", "$id": 1, "$db": None})
    assert not any(map(loses_null, VALUES))
