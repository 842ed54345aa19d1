"""Retention rules in MongoDB."""

from typing import Annotated

from fastapi import Depends
from uuid_utils.compat import uuid7

from service.auth.caller import Forbidden
from service.core.errors import NotFound
from service.documents.retention.documents import RETENTION_RULES, read_rule
from service.documents.retention.rule_cache import RetentionRuleCache
from service.documents.retention.schemas import RetentionQuery, RetentionRead, RetentionWrite
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoContext
from service.stores.mongo.repository import MongoRepository
from service.web.conditional import Expected
from service.web.pagination import Page

_EXISTING: Document = {"days": {"$ne": None}}


class RuleNotFound(NotFound):
    code, title = "retention_rule_not_found", "Retention rule does not exist"
    detail = "PUT a rule here; without it, the model's rule or POLYSTORE_RETENTION_DAYS applies."


class RuleModelForbidden(Forbidden):
    """The same error as that of the prediction log, which lies above this package."""

    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model; in lists, name one of your models: ?model="
    pointer = "/model"


class RetentionRepository(MongoRepository):
    """Retention rules have no owner; keys bound to models see and change the rules of those."""

    collection, not_found = RETENTION_RULES, RuleNotFound
    filters = {"model": "model"}

    def __init__(self, context: MongoContext) -> None:
        super().__init__(context)
        self._cache: RetentionRuleCache = context.request.state.retention

    async def get(self, model: str, model_version: str | None) -> RetentionRead:
        return read_rule(await self._get({**self._key(model, model_version), **_EXISTING}))

    async def list(self, query: RetentionQuery) -> Page[RetentionRead]:
        self._check_model(query.model or "")
        return await self._listing.page(query, _EXISTING, read_rule)

    async def put(
        self, model: str, model_version: str | None, rule: RetentionWrite, expected: Expected
    ) -> RetentionRead:
        """Create the rule or replace it; it applies to events logged a few seconds later."""
        where = self._key(model, model_version)
        document = await self._put(where, {"days": rule.days}, {"_id": uuid7()}, expected)
        self._cache.refresh_soon()
        return read_rule(document)

    async def remove(self, model: str, model_version: str | None, expected: Expected) -> None:
        """Remove the rule, so that the more general one applies again."""
        where = {**self._key(model, model_version), **_EXISTING}
        await self._remove(where, expected, {"days": None})
        self._cache.refresh_soon()

    def _key(self, model: str, model_version: str | None) -> Document:
        self._check_model(model)
        return {"model": {"$eq": model}, "model_version": {"$eq": model_version}}

    def _check_model(self, model: str) -> None:
        if not self._caller.may_use(model):
            raise RuleModelForbidden


Retention = Annotated[RetentionRepository, Depends(RetentionRepository.from_context)]
