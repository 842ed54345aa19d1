"""Ids that senders have: UUIDs, or any other text.

Text that is a UUID in hexadecimal digits, with or without hyphens, is that UUID. Other text of a
prediction is kept, and its UUIDv5 (RFC 9562) is the key of the document; so it is found by both.
"""

import re
from typing import Annotated, Any
from uuid import UUID, uuid5

import msgspec
from pydantic import BeforeValidator, WithJsonSchema

from service.core.errors import has_surrogate

MAX_ID_CHARS = 128
ID_DETAIL = f"Send a UUID, or other text of 1 to {MAX_ID_CHARS} characters without NUL"
_NAMESPACE = UUID("6f1c2f5e-8a0b-5d3c-9f47-2a1d7e4b9c60")
_HEX = "[0-9a-fA-F]"
_is_uuid = re.compile(
    f"{_HEX}{{32}}|{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
).fullmatch


def parse_id(text: Any) -> UUID | str:
    """Return the UUID that the text is, or the text.

    Raises:
        ValueError: it is no text, is empty, has more than 128 characters or a NUL.
    """
    if isinstance(text, UUID):
        return text
    if not isinstance(text, str) or not 0 < len(text) <= MAX_ID_CHARS or "\x00" in text:
        raise ValueError(ID_DETAIL)
    if not text.isascii() and has_surrogate(text):
        raise ValueError("Text must not contain lone surrogates.")
    return msgspec.convert(text, UUID) if _is_uuid(text) else text


def to_uuid(id_: Any) -> UUID:
    """Return the key of the prediction with this id: the UUID that it is, or the UUIDv5 of it.

    Raises:
        ValueError: as :func:`parse_id`.
    """
    parsed = parse_id(id_)
    return parsed if isinstance(parsed, UUID) else uuid5(_NAMESPACE, parsed)


ID_SCHEMA: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_CHARS,
    "description": "A UUID, or other text.",
}
NULLABLE_ID = {**ID_SCHEMA, "type": ["string", "null"]}
# In addresses and queries: the key of a prediction, and the id of a user or an order.
PredictionKey = Annotated[UUID, BeforeValidator(to_uuid), WithJsonSchema(ID_SCHEMA)]
AnyId = Annotated[UUID | str, BeforeValidator(parse_id), WithJsonSchema(ID_SCHEMA)]
ReadId = Annotated[UUID | str, WithJsonSchema(ID_SCHEMA)]
