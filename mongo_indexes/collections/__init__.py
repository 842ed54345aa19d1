"""The declared collections, one file each. A new file is added to `COLLECTIONS` here, once."""

from mongo_indexes.collections.artifacts import ARTIFACT_CHUNKS, ARTIFACT_FILES, ARTIFACTS
from mongo_indexes.collections.feedback import FEEDBACK
from mongo_indexes.collections.item_types import ITEM_TYPES
from mongo_indexes.collections.items import ITEMS
from mongo_indexes.collections.prediction_halves import PREDICTION_HALVES
from mongo_indexes.collections.predictions import PREDICTIONS
from mongo_indexes.collections.retention_rules import RETENTION_RULES
from mongo_indexes.declare import CollectionSpec

COLLECTIONS: tuple[CollectionSpec, ...] = (
    ITEMS,
    ITEM_TYPES,
    PREDICTIONS,
    FEEDBACK,
    PREDICTION_HALVES,
    RETENTION_RULES,
    ARTIFACTS,
    ARTIFACT_FILES,
    ARTIFACT_CHUNKS,
)
"""Every collection that the service stores in MongoDB, in the order of planning and applying."""
