"""MongoDB is what mongo_indexes declares, and the code names no collection that it does not."""

from typing import Any

from pymongo import MongoClient

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.server import plan
from service.documents.items.documents import ITEM_TYPES, ITEMS
from service.documents.predictions.documents import FEEDBACK, PENDING_PAIRS, PREDICTIONS
from service.documents.retention.documents import RETENTION_RULES
from service.settings import Settings


def test_declared_indexes_are_the_existing_ones(settings: Settings) -> None:
    assert settings.mongodb_url is not None
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        assert plan(client.get_database(settings.mongodb_database), COLLECTIONS) == []


def test_every_collection_of_the_code_is_declared() -> None:
    declared = {collection.name for collection in COLLECTIONS}
    assert declared == {ITEMS, ITEM_TYPES, PREDICTIONS, FEEDBACK, PENDING_PAIRS, RETENTION_RULES}


def test_every_index_is_named_after_its_collection() -> None:
    for collection in COLLECTIONS:
        for index in collection.indexes:
            kind = "uq" if index.unique else "ix"
            assert index.name.startswith(f"{kind}_{collection.name}_"), index.name
