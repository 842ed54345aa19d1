"""Versions of logged models: what they keep, and what is noted at the model."""

import json
from uuid import uuid4

import pytest

from tests.relational.mlflow.registry.session import BAD, Registry


async def test_version_of_a_logged_model_keeps_it(registry: Registry) -> None:
    await registry.make_model()
    made = await registry.ask("POST", "logged-models", experiment_id="0", name="m")
    model_id, root = (made["model"]["info"][field] for field in ("model_id", "artifact_uri"))
    version = await registry.make_version(source=f"models:/{model_id}", model_id=model_id)
    assert version["model_id"] == model_id
    uri = await registry.ask("GET", "model-versions/get-download-uri", name="fraud", version="1")
    assert uri == {"artifact_uri": root}
    await registry.make_version(source=f"{root}/model.pkl", model_id=model_id)
    tags = (await registry.ask("GET", f"logged-models/{model_id}"))["model"]["info"]["tags"]
    named = {tag["key"]: json.loads(tag["value"]) for tag in tags}["mlflow.modelVersions"]
    assert named == [{"name": "fraud", "version": 1}, {"name": "fraud", "version": 2}]
    for source in (f"models:/m-{'0' * 32}", f"runs:/{'0' * 32}/m", "mlflow-artifacts:/0/x"):
        sent = {"name": "fraud", "source": source, "model_id": model_id}
        assert await registry.refused("POST", "model-versions/create", **sent) == BAD
    unknown = f"m-{uuid4().hex}"
    sent = {"name": "fraud", "source": f"models:/{unknown}", "model_id": unknown}
    assert await registry.refused("POST", "model-versions/create", **sent) == BAD


@pytest.mark.parametrize("written", ["[" * 5000, "[1", '{"a": 1}', "1" * 5000])
async def test_version_is_noted_whatever_clients_wrote(registry: Registry, written: str) -> None:
    await registry.make_model()
    made = await registry.ask("POST", "logged-models", experiment_id="0", name="m")
    model_id = made["model"]["info"]["model_id"]
    tag = {"key": "mlflow.modelVersions", "value": written}
    await registry.ask("PATCH", f"logged-models/{model_id}/tags", tags=[tag])
    await registry.make_version(source=f"models:/{model_id}", model_id=model_id)
    tags = (await registry.ask("GET", f"logged-models/{model_id}"))["model"]["info"]["tags"]
    noted = next(one["value"] for one in tags if one["key"] == tag["key"])
    assert json.loads(noted) == [{"name": "fraud", "version": 1}]
