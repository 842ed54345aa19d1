"""Documents read for JSON give the same text as documents with Python's types."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Decimal128, Int64, ObjectId, decode, encode
from bson.binary import UuidRepresentation
from bson.datetime_ms import DatetimeMS

from service.documents.predictions.reading.encoding import encode_json
from service.stores.mongo.client import CODEC
from service.stores.mongo.json_types import JSON_CODEC, format_bson_time, to_python
from service.web.schemas import format_time

ID = UUID("0190a5a4-0000-7000-8000-00000000abcd")
VALUES = [
    datetime(2026, 1, 5, 0, 0, 0, 123_000, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    DatetimeMS(253_402_300_800_000),  # the year 10000
    DatetimeMS(-(10**17)),
    ID,
    Binary.from_uuid(ID, UuidRepresentation.JAVA_LEGACY),
    Binary(b"\x00\xff", 0x80),
    Int64(2**40),
    Decimal128("1.5"),
    ObjectId("65a0000000000000000000aa"),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_json_codec_text_equals_that_of_python_types(value: Any) -> None:
    stored = encode({"field": value, "nested": [{"field": value}]}, codec_options=CODEC)
    assert encode_json(decode(stored, JSON_CODEC)) == encode_json(decode(stored, CODEC))
    assert to_python(decode(stored, JSON_CODEC)["field"]) == decode(stored, CODEC)["field"]


@pytest.mark.parametrize("value", VALUES[:5], ids=repr)
def test_format_bson_time_equals_format_time(value: datetime | DatetimeMS) -> None:
    stored = encode({"field": value}, codec_options=CODEC)
    read: datetime = decode(stored, CODEC)["field"]
    undecoded = decode(stored, JSON_CODEC)["field"]
    assert format_bson_time(undecoded) == format_bson_time(read) == format_time(read)
