"""MLflow's addresses of versions: numbers, stages, sources, tags and searches."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from service.main import State
from service.relational.model_registry import find
from tests.relational.mlflow.registry.session import BAD, MISSING, Registry
from tests.relational.model_registry.factories import StoredRun, store_run

CREATES = 48
PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


@pytest.fixture
async def run(state: State) -> StoredRun:
    return await store_run(state)


async def test_version_has_the_shape_of_mlflow(registry: Registry, run: StoredRun) -> None:
    await registry.make_model()
    fields = {"run_id": run.id.hex, "run_link": "http://ci/1", "description": "d"}
    source = f"runs:/{run.id.hex}/model"
    made = await registry.make_version(source=source, tags=[{"key": "a"}], **fields)
    assert made.pop("creation_timestamp") == made.pop("last_updated_timestamp") > 1.7e12
    shape = {"name": "fraud", "version": "1", "current_stage": "None", "status": "READY"}
    assert made == {**shape, **fields, "source": source, "tags": [{"key": "a", "value": ""}]}
    wanted = {"name": "fraud", "version": 1}
    found = (await registry.ask("GET", "model-versions/get", **wanted))["model_version"]
    assert {**found, **made} == found
    uri = await registry.ask("GET", "model-versions/get-download-uri", **wanted)
    assert uri == {"artifact_uri": source}


async def test_versions_made_at_once_count_without_a_gap(registry: Registry) -> None:
    await registry.make_model()
    made = await asyncio.gather(*(registry.make_version() for _ in range(CREATES)))
    assert sorted(int(one["version"]) for one in made) == list(range(1, CREATES + 1))


async def test_version_delete_hides_it_and_keeps_its_number(registry: Registry) -> None:
    await registry.make_model()
    await registry.make_version()
    await registry.ask("POST", "registered-models/alias", name="fraud", alias="best", version="1")
    wanted = {"name": "fraud", "version": "1"}
    await registry.ask("DELETE", "model-versions/delete", **wanted)
    for method, path in (("GET", "get"), ("DELETE", "delete"), ("GET", "get-download-uri")):
        assert await registry.refused(method, f"model-versions/{path}", **wanted) == MISSING
    model = (await registry.ask("GET", "registered-models/get", name="fraud"))["registered_model"]
    assert not {"aliases", "latest_versions"} & model.keys()
    assert await registry.names("model-versions/search") == []
    assert (await registry.make_version())["version"] == "2"


async def test_stage_is_read_in_any_case_and_archives(registry: Registry) -> None:
    await registry.make_model()
    for _ in range(2):
        await registry.make_version()
    path, first = "model-versions/transition-stage", {"name": "fraud", "version": "1"}
    moved = await registry.ask("POST", path, **first, stage="pRODUCTION")
    assert moved["model_version"]["current_stage"] == "Production"
    second = {"name": "fraud", "version": "2", "stage": "production"}
    await registry.ask("POST", path, **second, archive_existing_versions=True)
    found = (await registry.ask("GET", "model-versions/get", **first))["model_version"]
    assert found["current_stage"] == "Archived"
    for stage in ("None", "Archived"):
        wrong = {**first, "stage": stage, "archive_existing_versions": True}
        assert await registry.refused("POST", path, **wrong) == BAD
    assert await registry.refused("POST", path, **first, stage="Live") == BAD
    assert await registry.refused("POST", path, name="fraud", version="9", stage="None") == MISSING


async def test_version_tags_and_description_change(registry: Registry) -> None:
    await registry.make_model()
    made = await registry.make_version(description="old")
    wanted = {"name": "fraud", "version": "1"}
    await registry.ask("POST", "model-versions/set-tag", **wanted, key="auc", value="0.9")
    found = (await registry.ask("GET", "model-versions/get", **wanted))["model_version"]
    assert found["tags"] == [{"key": "auc", "value": "0.9"}]
    assert found["last_updated_timestamp"] == made["last_updated_timestamp"]
    for _ in range(2):
        await registry.ask("DELETE", "model-versions/delete-tag", **wanted, key="auc")
    answer = await registry.ask("PATCH", "model-versions/update", **wanted, description="é")
    changed = answer["model_version"]
    assert (changed["description"], "tags" in changed) == ("é", False)
    missing = {"name": "fraud", "version": "2"}
    for path in ("set-tag", "delete-tag"):
        method = "POST" if path == "set-tag" else "DELETE"
        refused = await registry.refused(method, f"model-versions/{path}", **missing, key="a")
        assert refused == MISSING


@pytest.mark.parametrize(
    "source",
    [
        "s3://b/m", "hdfs://host/m", "dbfs:/m",
        "{root}", "{root}/model", "runs:/{run}/model",
    ],
)  # fmt: skip
async def test_source_elsewhere_or_of_the_run_is_allowed(
    registry: Registry, run: StoredRun, source: str
) -> None:
    await registry.make_model()
    sent = source.format(root=run.root, run=run.id.hex)
    made = await registry.make_version(source=sent, run_id=run.id.hex)
    assert (made["source"], made["run_id"]) == (sent, run.id.hex)


async def test_run_is_one_in_both_spellings_of_its_id(registry: Registry, run: StoredRun) -> None:
    await registry.make_model()
    for run_id in (run.id.hex, str(run.id)):
        made = await registry.make_version(source=f"runs:/{run_id}/model", run_id=str(run.id))
        assert made["run_id"] == run.id.hex
    for run_id in (run.id.hex, str(run.id)):
        found = await registry.names("model-versions/search", filter=f"run_id = '{run_id}'")
        assert found == ["fraud/2", "fraud/1"]


async def test_alias_of_digits_names_its_version(registry: Registry) -> None:
    await registry.make_model()
    for number in (1, 2):
        await registry.make_version(source=f"s3://b/{number}")
    await registry.ask("POST", "registered-models/alias", name="fraud", alias="1", version="2")
    copy = await registry.make_version(source="models:/fraud@1")
    assert copy["source"] == "models:/fraud/2"


@pytest.mark.parametrize(
    "source",
    [
        "", "/etc/passwd", "file:///etc/passwd", "model", "s3://b/../m", "s3://b/%252e%252e/m",
        "s3://b/..%2fm", "s3://b/m%00", "{root}/../../other", "{root}2/model",
        "mlflow-artifacts:/0/other/artifacts/m", "mlflow-artifacts://host/0/{run}/artifacts",
        "http://h/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts", "runs:/other/model",
        "runs://host/{run}/model", "models:/m-" + "0" * 32, "models:/none/1", "models://host/a/1",
        "models:/a", "http://[", "https://elsewhere.example.com/m",
    ],
)  # fmt: skip
async def test_source_of_another_owner_is_refused(
    registry: Registry, run: StoredRun, source: str
) -> None:
    await registry.make_model()
    sent = {"name": "fraud", "source": source.format(root=run.root, run=run.id.hex)}
    refused = await registry.refused("POST", "model-versions/create", **sent, run_id=run.id.hex)
    assert refused in (BAD, MISSING)
    assert await registry.names("model-versions/search") == []


async def test_source_of_a_run_needs_its_id(registry: Registry, run: StoredRun) -> None:
    await registry.make_model()
    for source in (f"{run.root}/model", f"runs:/{run.id.hex}/model"):
        for other in ({}, {"run_id": uuid4().hex}, {"run_id": "no-id"}):
            sent = {"name": "fraud", "source": source, **other}
            assert await registry.refused("POST", "model-versions/create", **sent) == BAD


async def test_prompt_is_found_only_when_asked_for(registry: Registry) -> None:
    await registry.make_model()
    await registry.make_version()
    await registry.make_model("greet", tags=[PROMPT])
    text = {"key": "mlflow.prompt.text", "value": "Hi {{name}} " * 5000}
    made = await registry.make_version("greet", source="dummy-source", tags=[PROMPT, text])
    assert {tag["key"]: tag["value"] for tag in made["tags"]}[text["key"]] == text["value"]
    path, prompts = "model-versions/search", "tags.`mlflow.prompt.is_prompt` = 'true'"
    assert await registry.names(path) == ["fraud/1"]
    assert await registry.names(path, filter="name = 'greet'") == []
    assert await registry.names(path, filter=f"name = 'greet' AND {prompts}") == ["greet/1"]
    for other in ("= 'maybe'", "LIKE 't%'"):
        for searched in (path, "registered-models/search"):
            asked = f"tags.`mlflow.prompt.is_prompt` {other}"
            assert await registry.names(searched, filter=asked) == []
    sent = {"name": "greet", "source": "s3://b/m", "tags": [PROMPT]}
    assert await registry.refused("POST", "model-versions/create", **sent) == BAD


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["b/1", "a/3", "a/2", "a/1"]),
        ({"filter": "name = 'a'"}, ["a/3", "a/2", "a/1"]),
        ({"filter": "name IN ('b', 'c')"}, ["b/1"]),
        ({"filter": "version_number >= 2"}, ["a/3", "a/2"]),
        ({"filter": "run_id = 'r1'"}, ["a/1"]),
        ({"filter": "run_id IN ('r1', 'r2')"}, ["a/2", "a/1"]),
        ({"filter": "source_path LIKE 's3://%'", "order_by": ["version_number DESC"]},
         ["a/3", "a/2", "a/1", "b/1"]),
        ({"filter": "source_path = 'dbfs:/b'"}, []),
        ({"filter": "tags.stage = 'gold'"}, ["a/2"]),
        ({"filter": "name = 'a' AND tags.stage != 'gold'"}, ["a/3"]),
        ({"order_by": ["name DESC"]}, ["b/1", "a/3", "a/2", "a/1"]),
        ({"order_by": ["creation_timestamp"]}, ["a/1", "a/2", "a/3", "b/1"]),
    ],
)  # fmt: skip
async def test_search_finds_versions(
    registry: Registry, wanted: dict[str, Any], found: list[str]
) -> None:
    for name in "ab":
        await registry.make_model(name)
    gold, raw = ({"key": "stage", "value": value} for value in ("gold", "raw"))
    await registry.make_version("a", run_id="r1")
    await registry.make_version("a", run_id="r2", tags=[gold])
    await registry.make_version("a", tags=[raw])
    await registry.make_version("b")
    assert await registry.names("model-versions/search", **wanted) == found


@pytest.mark.parametrize(("most", "max_results"), [(find.MOST_BYTES, 2), (1900, 200_000), (1, 5)])
async def test_search_pages_of_versions_are_whole(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, most: int, max_results: int
) -> None:
    monkeypatch.setattr(find, "MOST_BYTES", most)
    await registry.make_model()
    for _ in range(3):
        await registry.make_version(tags=[{"key": "text", "value": "x" * 900}])
    path, numbers, token, pages = "model-versions/search", list[str](), None, 0
    while True:
        wanted = {"max_results": max_results, **({"page_token": token} if token else {})}
        page = await registry.ask("GET", path, **wanted)
        numbers += [one["version"] for one in page["model_versions"]]
        token, pages = page.get("next_page_token"), pages + 1
        if token is None:
            break
    assert (numbers, pages) == (["3", "2", "1"], 3 if most == 1 else 2)
