"""Documents of retention rules."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

RETENTION_RULES = "retention_rules"


class RuleDocument(TypedDict):
    """One rule. ``version`` counts its changes; ``model_version`` is the model's own.

    A removed rule keeps its document, without days, so that no ETag is repeated.
    """

    _id: UUID
    model: str
    model_version: str | None
    days: int | None
    version: int
    created_at: datetime
    updated_at: datetime
