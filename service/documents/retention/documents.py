"""What is kept of the rules."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from service.documents.retention.schemas import RetentionRead
from service.stores.mongo.client import Document

RETENTION_RULES = "retention_rules"


class RuleDocument(TypedDict):
    """One rule. ``version`` counts its changes; the model's own is ``model_version``.

    A rule that was removed keeps its document, without days, so that no ETag comes back.
    """

    _id: UUID
    model: str
    model_version: str | None
    days: int | None
    version: int
    created_at: datetime
    updated_at: datetime


def read_rule(document: Document) -> RetentionRead:
    """A rule as it travels."""
    return RetentionRead(**{name: document[name] for name in RetentionRead.model_fields})
