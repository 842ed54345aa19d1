"""Responses with some of their fields, of rows from which no more was read."""

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Annotated, Any

from pydantic import TypeAdapter

from service.web.schemas import ResponseModel


@lru_cache(256)
def _readers(schema: type[ResponseModel]) -> dict[str, TypeAdapter[Any]]:
    return {
        name: TypeAdapter[Any](Annotated[field.annotation, field])  # type: ignore[arg-type]
        for name, field in schema.model_fields.items()
    }


def reader_of(
    schema: type[ResponseModel], fields: Collection[str]
) -> Callable[[Any], ResponseModel]:
    """Return a function from a row or an entity to a response with these fields alone."""
    readers = {name: reader for name, reader in _readers(schema).items() if name in fields}

    def read(row: Any) -> ResponseModel:
        values = {
            name: reader.validate_python(getattr(row, name), from_attributes=True)
            for name, reader in readers.items()
        }
        return schema.model_construct(**values)

    return read
