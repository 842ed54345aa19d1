"""Retention rules in MongoDB."""

from typing import Annotated, NamedTuple

from fastapi import Depends
from typing_extensions import override
from uuid_utils.compat import uuid7

from service.core.errors import NotFound
from service.documents.retention.documents import RETENTION_RULES
from service.documents.retention.rule_cache import RetentionRuleCache
from service.documents.retention.schemas import RetentionQuery, RetentionRead, RetentionWrite
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoContext
from service.stores.mongo.listing import MongoListing
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page


class RuleNotFound(NotFound):
    code, title = "retention_rule_not_found", "Retention rule does not exist"
    detail = "PUT a rule here; without it, the model's rule or POLYSTORE_RETENTION_DAYS applies."


class RuleKey(NamedTuple):
    """The model of a rule, and the version if the rule is of one alone."""

    model: str
    version: str | None = None


class RetentionRepository(MongoRepository[RetentionRead]):
    """Rules have no owner; a key bound to models sees and changes the rules of those alone.

    A removed rule keeps its document without days.
    """

    collection, schema, missing = RETENTION_RULES, RetentionRead, RuleNotFound
    listing = MongoListing(RETENTION_RULES, RetentionQuery, filters={"model": "model"})

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._cache: RetentionRuleCache = context.request.state.retention

    @override
    def visible(self) -> Document:
        return {"days": {"$ne": None}}

    @override
    def removal(self) -> Document:
        return {"days": None}

    async def list(self, query: RetentionQuery) -> Page[RetentionRead]:
        self._caller.require_model(query.model)
        return await self._page(query, self.visible())

    async def put(self, key: RuleKey, rule: RetentionWrite, expected: Expected) -> RetentionRead:
        """Create the rule or replace it; it applies to events logged a few seconds later."""
        stored = await self._put(self._is(key), {"days": rule.days}, {"_id": uuid7()}, expected)
        self._cache.refresh_soon()
        return stored

    @override
    async def remove(self, key: RuleKey, expected: Expected) -> None:
        """Remove the rule, so that the more general one applies again."""
        await super().remove(key, expected)
        self._cache.refresh_soon()

    @override
    def _is(self, key: RuleKey) -> Document:
        self._caller.require_model(key.model)
        return {"model": {"$eq": key.model}, "model_version": {"$eq": key.version}}


Retention = Annotated[RetentionRepository, Depends(RetentionRepository.from_request)]
