"""MongoDB is what mongo_indexes declares, and the code names no collection that it does not."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from pymongo import MongoClient

import service.documents
from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.server import plan
from service.settings import Settings


def test_declared_indexes_are_the_existing_ones(settings: Settings) -> None:
    assert settings.mongodb_url is not None
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        assert plan(client.get_database(settings.mongodb_database), COLLECTIONS) == []


def collections_of_the_code() -> set[str]:
    """Return the names in each ``documents`` module, and the collection of each repository."""
    names = set[str]()
    for module in iter_modules_below(service.documents):
        if module.__name__.endswith(".documents"):
            constants = {name: value for name, value in vars(module).items() if name.isupper()}
            names |= {value for value in constants.values() if isinstance(value, str)}
        for kind in vars(module).values():
            names.add(getattr(kind, "collection", ""))
    return names - {""}


def iter_modules_below(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def test_every_collection_of_the_code_is_declared() -> None:
    declared = {collection.name for collection in COLLECTIONS}
    assert collections_of_the_code() ^ declared == set(), (
        "see COLLECTIONS in mongo_indexes/collections"
    )


def test_no_collection_is_named_where_it_is_used() -> None:
    named_in_place = re.compile(r"database\[[\"']|MongoListing\(\s*[\"']")
    for path in Path(service.documents.__path__[0]).rglob("*.py"):
        assert not named_in_place.search(path.read_text()), f"name it in documents.py: {path}"


def test_every_index_is_named_after_its_collection() -> None:
    for collection in COLLECTIONS:
        for index in collection.indexes:
            kind = "uq" if index.unique else "ix"
            assert index.name.startswith(f"{kind}_{collection.name}_"), index.name
