"""Large documents of a list: the first read returns their sizes, a later one a few at a time.

MongoDB limits a batch to 16 MiB and by a number of documents, not to fewer bytes. Without sizes,
each of many concurrent lists could hold a batch of 16 MiB.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from service.stores.mongo.client import Document
from service.web.lists.large_pages import SMALL_BYTES

_FOUND = "found"


class Large(NamedTuple):
    """A document that is read apart: its ``_id``, its sort values, and its bytes of BSON."""

    key: Any
    values: list[Any]
    size: int


Found = Document | Large


def small_or_size(sort_fields: Iterable[str]) -> Document:
    """Return a projection: a small document, or a large one's id, sort values and size."""
    size = {"$bsonSize": "$$ROOT"}
    large = ["$_id", [f"${field}" for field in sort_fields], size]
    return {"_id": 0, _FOUND: {"$cond": [{"$lte": [size, SMALL_BYTES]}, "$$ROOT", large]}}


def read_found(document: Document) -> Found:
    """Return what this projection made of a document."""
    found: Document | list[Any] = document[_FOUND]
    return Large(*found) if isinstance(found, list) else found


def sizes_of(found: Sequence[Found]) -> list[int]:
    """Return the bytes of each large document, 0 for the others."""
    return [item.size if isinstance(item, Large) else 0 for item in found]
