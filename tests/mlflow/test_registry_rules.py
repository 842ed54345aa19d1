"""Rules of the registry and of logged models that a client does not check itself."""

import pytest

from tests.mlflow.plain import Plain, accepted, new_name, refused

pytestmark = pytest.mark.xdist_group("mlflow")
SOURCE = "s3://bucket/model"


def new_model(client: Plain, versions: int = 0) -> str:
    name = new_name()
    accepted(client.post("/registered-models/create", {"name": name}))
    for _ in range(versions):
        accepted(client.post("/model-versions/create", {"name": name, "source": SOURCE}))
    return name


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V22", "a b", "a.b", "", "x" * 256])
def test_alias_that_is_no_name_is_refused(mlflow_client: Plain, alias: str) -> None:
    body = {"name": new_model(mlflow_client, 1), "alias": alias, "version": "1"}
    refused(mlflow_client.post("/registered-models/alias", body))


def test_unknown_alias_is_400_and_unknown_model_404(mlflow_client: Plain) -> None:
    name = new_model(mlflow_client)
    refused(mlflow_client.get("/registered-models/alias", name=name, alias="no"))
    unknown = mlflow_client.get("/registered-models/alias", name=new_name(), alias="no")
    refused(unknown, 404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize(
    ("source", "of_run"),
    [
        ("{root}/../x", True),
        ("{root}/%2e%2e/x", True),
        ("{root}/%252e%252e/x", True),
        ("{root}/model", False),
        ("mlflow-artifacts:/elsewhere", True),
        ("/etc/passwd", True),
        ("file:///etc/passwd", True),
        ("https://host/model", False),
        ("s3://bucket/../x", False),
        ("s3://bucket/%2e%2e/x", False),
        ("runs:/{run}/model", False),
        ("models:/m-00000000000000000000000000000000", False),
        ("", False),
    ],
)
def test_source_outside_its_run_is_refused(mlflow_client: Plain, source: str, of_run: bool) -> None:
    run = mlflow_client.new_run()
    root = mlflow_client.run(run)["info"]["artifact_uri"]
    body = {"name": new_model(mlflow_client), "source": source.format(root=root, run=run)}
    if of_run:
        body["run_id"] = run
    refused(mlflow_client.post("/model-versions/create", body))


@pytest.mark.parametrize("source", ["{root}/model", "runs:/{run}/model", SOURCE])
def test_source_in_its_run_or_elsewhere_is_accepted(mlflow_client: Plain, source: str) -> None:
    run = mlflow_client.new_run()
    root = mlflow_client.run(run)["info"]["artifact_uri"]
    body = {"name": new_model(mlflow_client), "source": source.format(root=root, run=run)}
    answer = mlflow_client.post("/model-versions/create", {**body, "run_id": run})
    made = accepted(answer)["model_version"]
    assert (made["version"], made["status"], made["run_id"]) == ("1", "READY", run)


def test_version_remembers_its_logged_model(mlflow_client: Plain) -> None:
    body = {"experiment_id": mlflow_client.experiment(), "name": "m"}
    made = accepted(mlflow_client.post("/logged-models", body))["model"]["info"]["model_id"]
    name = new_model(mlflow_client)
    version = {"name": name, "source": f"models:/{made}", "model_id": made}
    accepted(mlflow_client.post("/model-versions/create", version))
    found = accepted(mlflow_client.get("/model-versions/get", name=name, version="1"))
    assert found["model_version"]["model_id"] == made


@pytest.mark.parametrize("length", [100_000, 100_001])
def test_tag_of_a_version_has_a_limit(mlflow_client: Plain, length: int) -> None:
    """A prompt's text is such a tag."""
    body = {"name": new_model(mlflow_client, 1), "version": "1", "key": "k", "value": "x" * length}
    answer = mlflow_client.post("/model-versions/set-tag", body)
    if length <= 100_000:
        accepted(answer)
    else:
        refused(answer)


@pytest.mark.parametrize(
    ("stage", "archive"), [("Nowhere", False), ("Archived", True), ("None", True)]
)
def test_stage_that_is_wrong_is_refused(mlflow_client: Plain, stage: str, archive: bool) -> None:
    body = {"name": new_model(mlflow_client, 1), "version": "1", "stage": stage}
    body |= {"archive_existing_versions": archive}  # type: ignore[dict-item]
    refused(mlflow_client.post("/model-versions/transition-stage", body))


def test_prompts_are_hidden_unless_they_are_asked_for(mlflow_client: Plain) -> None:
    name = new_name()
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    accepted(mlflow_client.post("/registered-models/create", {"name": name, "tags": tags}))
    hidden, found = (
        mlflow_client.get(
            "/registered-models/search", max_results=10, filter=f"name = '{name}'{more}"
        )
        for more in ("", " AND tag.`mlflow.prompt.is_prompt` = 'true'")
    )
    assert accepted(hidden) == {}
    assert [model["name"] for model in accepted(found)["registered_models"]] == [name]


def test_model_without_the_tag_is_no_prompt(mlflow_client: Plain) -> None:
    name = new_model(mlflow_client)
    for key, count in (("mlflow.prompt.is_prompt", 1), ("other", 0)):
        text = f"name = '{name}' AND tag.`{key}` != 'true'"
        answer = mlflow_client.get("/registered-models/search", max_results=10, filter=text)
        assert len(accepted(answer).get("registered_models", [])) == count


def test_logged_model_keeps_all_params(mlflow_client: Plain) -> None:
    params = [{"key": f"p{n}", "value": "1"} for n in range(100)]
    body = {"experiment_id": mlflow_client.experiment(), "params": params}
    made = accepted(mlflow_client.post("/logged-models", body))["model"]
    more = {"params": [{"key": "one-more", "value": "1"}]}
    path = f"/logged-models/{made['info']['model_id']}"
    accepted(mlflow_client.post(f"{path}/params", more))
    found = accepted(mlflow_client.get(path))["model"]["data"]["params"]
    assert len(found) == 101
