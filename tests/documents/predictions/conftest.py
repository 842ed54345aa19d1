"""Fixtures of the tests of predictions."""

from collections.abc import Iterator
from typing import Any

import pytest
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.collection import Collection

from service.documents.predictions.documents import FEEDBACK
from service.settings import Settings


@pytest.fixture
def sync_feedback(settings: Settings) -> Iterator[Collection[dict[str, Any]]]:
    """The labels, synchronous because Hypothesis runs plain functions; emptied afterwards."""
    assert settings.mongodb_url is not None
    codec: CodecOptions[dict[str, Any]] = CodecOptions(
        tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
    )
    with MongoClient[dict[str, Any]](settings.mongodb_url.get_secret_value()) as client:
        assert settings.mongodb_database is not None
        feedback = client[settings.mongodb_database].get_collection(FEEDBACK, codec)
        yield feedback
        feedback.delete_many({})
