"""Addresses of the rules."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.auth.caller import needs
from service.documents.retention.repository import Retention, RuleNotFound, RuleOfOtherModel
from service.documents.retention.schemas import (
    ModelName,
    RetentionQuery,
    RetentionRead,
    RetentionWrite,
)
from service.stores.mongo.route import MongoRoute
from service.web.conditional import IfMatch, Reply
from service.web.openapi import problems
from service.web.pagination import Page

router = APIRouter(tags=["retention"], route_class=MongoRoute)
READS, CHANGES = needs("retention:read"), needs("retention:admin")
MODEL, VERSION = "/models/{model}/retention", "/models/{model}/versions/{version}/retention"
READ = problems(RuleNotFound, RuleOfOtherModel, cached=True)
PUT = problems(RuleOfOtherModel, if_match=True)
DELETED = problems(RuleNotFound, RuleOfOtherModel, if_match=True)
Model = Annotated[ModelName, Path()]
Version = Annotated[ModelName, Path()]


@router.get("/retention", dependencies=[READS], responses=problems(RuleOfOtherModel))
async def retention_list(
    query: Annotated[RetentionQuery, Query()], retention: Retention
) -> Page[RetentionRead]:
    """All rules, by model. Where there is none, the setting POLYSTORE_RETENTION_DAYS holds."""
    return await retention.list(query)


@router.get(MODEL, dependencies=[READS], responses=READ)
async def model_retention_get(model: Model, retention: Retention, reply: Reply) -> RetentionRead:
    return reply.found(await retention.get(model, None))


@router.put(MODEL, dependencies=[CHANGES], responses=PUT)
async def model_retention_put(
    model: Model, rule: RetentionWrite, retention: Retention, expected: IfMatch, reply: Reply
) -> RetentionRead:
    """For those versions of the model that have no rule of their own.

    Every process knows of it within seconds. What was logged before keeps the time it has until
    `polystore retention apply` is run.
    """
    return reply.changed(await retention.put(model, None, rule, expected))


@router.delete(MODEL, status_code=204, dependencies=[CHANGES], responses=DELETED)
async def model_retention_delete(model: Model, retention: Retention, expected: IfMatch) -> None:
    """Back to the setting."""
    await retention.remove(model, None, expected)


@router.get(VERSION, dependencies=[READS], responses=READ)
async def version_retention_get(
    model: Model, version: Version, retention: Retention, reply: Reply
) -> RetentionRead:
    return reply.found(await retention.get(model, version))


@router.put(VERSION, dependencies=[CHANGES], responses=PUT)
async def version_retention_put(
    model: Model,
    version: Version,
    rule: RetentionWrite,
    retention: Retention,
    expected: IfMatch,
    reply: Reply,
) -> RetentionRead:
    """For one version, whatever the rule of its model; see there."""
    return reply.changed(await retention.put(model, version, rule, expected))


@router.delete(VERSION, status_code=204, dependencies=[CHANGES], responses=DELETED)
async def version_retention_delete(
    model: Model, version: Version, retention: Retention, expected: IfMatch
) -> None:
    """Back to the rule of its model."""
    await retention.remove(model, version, expected)
