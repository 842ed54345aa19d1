"""Routes of retention rules."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.auth.caller import ModelForbidden, needs
from service.documents.retention.repository import (
    Retention,
    RuleKey,
    RuleNotFound,
)
from service.documents.retention.schemas import (
    ModelName,
    RetentionQuery,
    RetentionRead,
    RetentionWrite,
)
from service.stores.mongo.route import MongoRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(tags=["retention"], route_class=MongoRoute)
READ_SCOPE, ADMIN_SCOPE = needs("retention:read"), needs("retention:admin")
MODEL = "/models/{model:text}/retention"
VERSION = "/models/{model:text}/versions/{version:text}/retention"
READ_ERRORS = problems(RuleNotFound, ModelForbidden, cached=True)
PUT_ERRORS = problems(ModelForbidden, if_match=True)
DELETE_ERRORS = problems(RuleNotFound, ModelForbidden, if_match=True)
Model = Annotated[ModelName, Path()]
Version = Annotated[ModelName, Path()]


@router.get("/retention", dependencies=[READ_SCOPE], responses=problems(ModelForbidden))
async def retention_list(
    query: Annotated[RetentionQuery, Query()], retention: Retention
) -> Page[RetentionRead]:
    """List all rules by model; without a rule, POLYSTORE_RETENTION_DAYS applies."""
    return await retention.list(query)


# Versions are first, because the name of a model may have slashes.
@router.get(VERSION, dependencies=[READ_SCOPE], responses=READ_ERRORS)
async def version_retention_get(
    model: Model, version: Version, retention: Retention, reply: Reply
) -> RetentionRead:
    """Return the rule of one version of a model."""
    return reply.ok(await retention.get(RuleKey(model, version)))


@router.put(VERSION, dependencies=[ADMIN_SCOPE], responses=PUT_ERRORS)
async def version_retention_put(
    model: Model,
    version: Version,
    rule: RetentionWrite,
    retention: Retention,
    expected: IfMatch,
    reply: Reply,
) -> RetentionRead:
    """Set the rule for one version, which precedes the rule of its model."""
    return reply.updated(await retention.put(RuleKey(model, version), rule, expected))


@router.delete(VERSION, status_code=204, dependencies=[ADMIN_SCOPE], responses=DELETE_ERRORS)
async def version_retention_delete(
    model: Model, version: Version, retention: Retention, expected: IfMatch
) -> None:
    """Remove the rule, so that the rule of its model applies again."""
    await retention.remove(RuleKey(model, version), expected)


@router.get(MODEL, dependencies=[READ_SCOPE], responses=READ_ERRORS)
async def model_retention_get(model: Model, retention: Retention, reply: Reply) -> RetentionRead:
    """Return the rule of a model."""
    return reply.ok(await retention.get(RuleKey(model)))


@router.put(MODEL, dependencies=[ADMIN_SCOPE], responses=PUT_ERRORS)
async def model_retention_put(
    model: Model, rule: RetentionWrite, retention: Retention, expected: IfMatch, reply: Reply
) -> RetentionRead:
    """Set the rule for the versions of the model that have no rule of their own.

    Every process applies it within seconds. Predictions logged before keep their expiry until
    `polystore retention apply` is run.
    """
    return reply.updated(await retention.put(RuleKey(model), rule, expected))


@router.delete(MODEL, status_code=204, dependencies=[ADMIN_SCOPE], responses=DELETE_ERRORS)
async def model_retention_delete(model: Model, retention: Retention, expected: IfMatch) -> None:
    """Remove the rule, so that the setting applies again."""
    await retention.remove(RuleKey(model), expected)
