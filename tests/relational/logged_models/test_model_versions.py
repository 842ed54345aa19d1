"""The tag that tells a logged model which registered versions were made of it."""

import asyncio
import json
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.relational.logged_models.model_versions import VERSIONS_TAG, ModelVersionsTag
from tests.relational.mlflow.logged_models.conftest import Tracking, context_of


async def _register(tracking: Tracking, key: str, version: int) -> None:
    async def write(session: AsyncSession, model_id: UUID) -> None:
        await ModelVersionsTag(context_of(session)).add(model_id, "churn", version)

    await tracking.state["sql"].run(partial(write, model_id=UUID(key[2:])), writes=True)


async def _versions(tracking: Tracking, key: str) -> list[str]:
    tags = (await tracking.call("GET", f"/logged-models/{key}"))["model"]["info"]["tags"]
    (value,) = [tag["value"] for tag in tags if tag["key"] == VERSIONS_TAG]
    return [f"{one['name']} {one['version']}" for one in json.loads(value)]


async def test_eight_versions_at_once_are_all_noted(tracking: Tracking) -> None:
    key = (await tracking.model())["info"]["model_id"]
    await asyncio.gather(*(_register(tracking, key, version) for version in range(8)))
    await _register(tracking, key, 3)  # again
    expected = [f"churn {version}" for version in range(8)]
    assert sorted(await _versions(tracking, key)) == expected


async def test_tag_that_is_no_list_is_replaced(tracking: Tracking) -> None:
    tags = [{"key": VERSIONS_TAG, "value": "{"}]
    key = (await tracking.model(tags=tags))["info"]["model_id"]
    await _register(tracking, key, 1)
    assert await _versions(tracking, key) == ["churn 1"]
