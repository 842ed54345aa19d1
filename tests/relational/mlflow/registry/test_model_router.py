"""MLflow's addresses of registered models: shapes, errors, aliases and searches."""

from typing import Any

import pytest

from tests.relational.mlflow.registry.session import BAD, MISSING, TAKEN, Registry

PROMPT = {"key": "mlflow.prompt.is_prompt", "value": "true"}


async def test_model_has_the_shape_of_mlflow(registry: Registry) -> None:
    tags = [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}, {"key": "b"}]
    made = (await registry.make_model(tags=tags, description="d"))["registered_model"]
    assert made.pop("creation_timestamp") == made.pop("last_updated_timestamp") > 1.7e12
    shown = [{"key": "a", "value": "2"}, {"key": "b", "value": ""}]
    assert made == {"name": "fraud", "description": "d", "tags": shown}
    plain = (await registry.make_model("plain"))["registered_model"]
    assert plain.keys() == {"name", "creation_timestamp", "last_updated_timestamp"}
    for version in (1, 2):
        assert (await registry.make_version(tags=tags))["version"] == str(version)
    await registry.ask("POST", "registered-models/alias", name="fraud", alias="best", version="1")
    found = (await registry.ask("GET", "registered-models/get", name="fraud"))["registered_model"]
    assert [version["version"] for version in found["latest_versions"]] == ["2"]
    assert found["aliases"] == [{"alias": "best", "version": "1"}]


async def test_model_errors_are_those_of_mlflow(registry: Registry) -> None:
    await registry.make_model()
    create = "registered-models/create"
    assert await registry.refused("POST", create, name="fraud") == TAKEN
    for name in ("", " ", "a/b", "a:b"):
        assert await registry.refused("POST", create, name=name) == BAD
    assert await registry.refused("POST", create) == BAD
    assert await registry.refused("GET", "registered-models/get", name="x") == MISSING
    for method, path in (("DELETE", "delete"), ("PATCH", "update")):
        assert await registry.refused(method, f"registered-models/{path}", name="x") == MISSING
    tag = {"name": "fraud", "key": "k", "value": "v" * 100_001}
    assert await registry.refused("POST", "registered-models/set-tag", **tag) == BAD


async def test_model_rename_moves_everything(registry: Registry) -> None:
    await registry.make_model(tags=[{"key": "a", "value": "1"}])
    await registry.make_model("taken")
    await registry.make_version()
    await registry.ask("POST", "registered-models/alias", name="fraud", alias="best", version="1")
    rename = "registered-models/rename"
    assert await registry.refused("POST", rename, name="fraud", new_name="taken") == TAKEN
    answer = await registry.ask("POST", rename, name="fraud", new_name="abuse")
    renamed = answer["registered_model"]
    assert (renamed["name"], renamed["latest_versions"][0]["name"]) == ("abuse", "abuse")
    assert renamed["tags"] == [{"key": "a", "value": "1"}]
    assert await registry.refused("GET", "registered-models/get", name="fraud") == MISSING
    found = await registry.ask("GET", "registered-models/alias", name="abuse", alias="best")
    assert found["model_version"]["name"] == "abuse"


async def test_model_delete_takes_versions_and_frees_the_name(registry: Registry) -> None:
    await registry.make_model()
    for _ in range(2):
        await registry.make_version()
    await registry.ask("DELETE", "registered-models/delete", name="fraud")
    wanted = {"name": "fraud", "version": "1"}
    assert await registry.refused("GET", "model-versions/get", **wanted) == MISSING
    await registry.make_model()
    assert (await registry.make_version())["version"] == "1"


async def test_model_tags_are_set_and_removed_again(registry: Registry) -> None:
    await registry.make_model()
    for value in ("1", "2"):
        await registry.ask(
            "POST", "registered-models/set-tag", name="fraud", key="a/b", value=value
        )
    path = "registered-models/get"
    model = (await registry.ask("GET", path, name="fraud"))["registered_model"]
    assert model["tags"] == [{"key": "a/b", "value": "2"}]
    for _ in range(2):  # deleting an absent tag is fine
        await registry.ask("DELETE", "registered-models/delete-tag", name="fraud", key="a/b")
    assert "tags" not in (await registry.ask("GET", path, name="fraud"))["registered_model"]


async def test_alias_moves_silently_and_unknown_is_400(registry: Registry) -> None:
    await registry.make_model()
    path, best = "registered-models/alias", {"name": "fraud", "alias": "best"}
    assert await registry.refused("GET", path, name="fraud", alias="latest") == MISSING
    for version in ("1", "2"):
        await registry.make_version()
        await registry.ask("POST", path, **best, version=version)
        found = (await registry.ask("GET", path, **best))["model_version"]
        assert (found["version"], found["aliases"]) == (version, ["best"])
    assert await registry.refused("POST", path, **best, version="9") == MISSING
    assert await registry.refused("POST", path, **best, version="9" * 12) == MISSING
    assert await registry.refused("POST", path, **best, version="one") == BAD
    assert await registry.refused("GET", path, name="fraud", alias="worst") == BAD
    assert await registry.refused("GET", path, name="x", alias="best") == MISSING
    latest = await registry.ask("GET", path, name="fraud", alias="Latest")
    assert latest["model_version"]["version"] == "2"
    for alias in ("latest", "v3", "a b", ""):
        refused = {"name": "fraud", "alias": alias, "version": "1"}
        assert await registry.refused("POST", path, **refused) == BAD
    one = {"name": "fraud", "alias": "1"}  # which only MLflow's addresses take
    await registry.ask("POST", path, **one, version="2")
    assert (await registry.ask("GET", path, **one))["model_version"]["version"] == "2"
    for _ in range(2):
        await registry.ask("DELETE", path, **best)
    assert await registry.refused("GET", path, **best) == BAD


async def test_latest_versions_are_of_each_stage_or_of_these(registry: Registry) -> None:
    await registry.make_model()
    for _ in range(3):
        await registry.make_version()
    move = {"name": "fraud", "version": "1", "stage": "production"}
    await registry.ask("POST", "model-versions/transition-stage", **move)
    path = "registered-models/get-latest-versions"
    for method in ("GET", "POST"):
        found = (await registry.ask(method, path, name="fraud"))["model_versions"]
        assert [one["version"] for one in found] == ["1", "3"]
    found = await registry.ask("POST", path, name="fraud", stages=["PRODUCTION", "Staging"])
    assert [one["version"] for one in found["model_versions"]] == ["1"]
    assert await registry.refused("POST", path, name="fraud", stages=["Live"]) == BAD
    assert await registry.refused("POST", path, name="x") == MISSING


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["B", "a", "b"]),
        ({"filter": "name LIKE 'b%'"}, ["b"]),
        ({"filter": "name ILIKE 'b%'"}, ["B", "b"]),
        ({"filter": "name IN ('a', 'B')"}, ["B", "a"]),
        ({"filter": "tags.team = 'x'"}, ["a", "b"]),
        ({"filter": "tags.team != 'y' and tags.`of/all` = '1'"}, ["a"]),
        ({"filter": "tags.none != 'x'"}, []),
        ({"filter": "name = 'prompt'"}, []),
        ({"filter": "tag.`mlflow.prompt.is_prompt` != 'true'"}, ["B", "a", "b"]),
        ({"filter": "tags.`mlflow.prompt.is_prompt` = 'false'"}, ["B", "a", "b"]),
        ({"filter": "name != 'a' AND tag.`mlflow.prompt.is_prompt` != 'true'"}, ["B", "b"]),
        ({"filter": "tags.`mlflow.prompt.is_prompt` = 'true'"}, ["prompt"]),
        ({"order_by": ["name DESC"]}, ["b", "a", "B"]),
        ({"order_by": ["timestamp DESC", "name"]}, ["B", "b", "a"]),
    ],
)  # fmt: skip
async def test_search_finds_models(
    registry: Registry, wanted: dict[str, Any], found: list[str]
) -> None:
    team = {"key": "team", "value": "x"}
    await registry.make_model("a", tags=[team, {"key": "of/all", "value": "1"}])
    await registry.make_model("b", tags=[team])
    await registry.make_model("B", tags=[{"key": "team", "value": "y"}])
    await registry.make_model("prompt", tags=[PROMPT, team])
    assert await registry.names(**wanted) == found


async def test_search_pages_hold_while_models_arrive(registry: Registry) -> None:
    for name in "bdfh":
        await registry.make_model(name)
    path = "registered-models/search"
    first = await registry.ask("GET", path, max_results=2)
    await registry.make_model("a")
    token = first["next_page_token"]
    second = await registry.ask("GET", path, max_results=2, page_token=token)
    names = [one["name"] for page in (first, second) for one in page["registered_models"]]
    assert names == ["b", "d", "f", "h"]
    assert "next_page_token" not in second
    for wrong in ({"max_results": 0}, {"max_results": 1001}, {"filter": "name == 'a'"}):
        assert await registry.refused("GET", path, **wrong) == BAD
    for wrong in (
        {"order_by": "size"},
        {"page_token": "x"},
        {"filter": "name = 'a'", "page_token": token},
    ):
        assert await registry.refused("GET", path, **wrong) == BAD
