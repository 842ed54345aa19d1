"""The rules in MongoDB."""

from typing import Annotated

from pymongo import ReturnDocument
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentCaller, Forbidden
from service.core.errors import NotFound, PreconditionFailed
from service.documents.retention.documents import RETENTION_RULES, read_rule
from service.documents.retention.rule_cache import RulesHere
from service.documents.retention.schemas import RetentionQuery, RetentionRead, RetentionWrite
from service.stores.mongo.client import Document, MongoDatabase, now
from service.stores.mongo.documents import as_expected, as_filter, change_document, mongo_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging

_THERE: Document = {"days": {"$ne": None}}


class RuleNotFound(NotFound):
    code, title = "retention_rule_not_found", "There is no such rule"
    detail = "What is more general holds: the rule of the model, or POLYSTORE_RETENTION_DAYS."


class RuleOfOtherModel(Forbidden):
    """The log says the same of its events."""

    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model; in lists, name one of your models: ?model="
    pointer = "/model"


class RetentionRepository:
    """The rules are nobody's own; a key that is bound to models sees and changes those of them."""

    def __init__(
        self, database: MongoDatabase, paginator: Paging, caller: CurrentCaller, rules: RulesHere
    ) -> None:
        self._stored, self._paginator = database[RETENTION_RULES], paginator
        self._caller, self._rules = caller, rules

    async def get(self, model: str, model_version: str | None) -> RetentionRead:
        document = await self._stored.find_one({**self._of(model, model_version), **_THERE})
        if document is None:
            raise RuleNotFound
        return read_rule(document)

    async def list(self, query: RetentionQuery) -> Page[RetentionRead]:
        where = {**as_filter(query.filters(), {"model": "model"}), **_THERE}
        self._check(query.model or "")
        return await mongo_page(self._stored, where, query, self._paginator, read_rule)

    async def put(
        self, model: str, model_version: str | None, rule: RetentionWrite, expected: Expected
    ) -> RetentionRead:
        """Makes the rule or replaces it; it holds for what is logged from a few seconds on."""
        moment = now()
        changed = await self._stored.find_one_and_update(
            {**self._of(model, model_version), **as_expected(expected)},
            {
                "$set": {"days": rule.days, "updated_at": moment},
                "$setOnInsert": {"_id": uuid7(), "created_at": moment},
                "$inc": {"version": 1},
            },
            upsert=expected is None,
            return_document=ReturnDocument.AFTER,
        )
        if changed is None:  # RFC 9110 13.1.1: what is not there matches no tag either
            raise PreconditionFailed
        self._rules.look_again()
        return read_rule(changed)

    async def remove(self, model: str, model_version: str | None, expected: Expected) -> None:
        """What is more general holds again. The document stays, without days: see RuleDocument."""
        where = {**self._of(model, model_version), **_THERE}
        await change_document(self._stored, where, {"days": None}, expected, RuleNotFound)
        self._rules.look_again()

    def _of(self, model: str, model_version: str | None) -> Document:
        self._check(model)
        return {"model": {"$eq": model}, "model_version": {"$eq": model_version}}

    def _check(self, model: str) -> None:
        if not self._caller.may_use(model):
            raise RuleOfOtherModel


Retention = Annotated[RetentionRepository, provided(RetentionRepository)]
