"""Filters that MLflow's server takes, and those that only our own addresses take."""

from typing import Any

import httpx2
import pytest

from service.relational.mlflow.filters import (
    EXPERIMENTS,
    LOGGED_MODELS,
    MODEL_VERSIONS,
    REGISTERED_MODELS,
    RUNS,
    Names,
    check_filter,
)
from service.relational.search_language.errors import InvalidFilter
from tests.relational.mlflow.calls import ROOT, new_experiment


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (RUNS, None), (RUNS, ""), (RUNS, "AND run_name = 'a' AND"),
        (RUNS, "metric.loss >= .5 AND params.`a b` IS NULL and tag.t is not null"),
        (RUNS, "run.`run name` LIKE 'a%'"), (RUNS, "run_id NOT IN ('a', 'b')"),
        (RUNS, "attr.created > 5 AND parameter.opt ILIKE 'a' AND dataset.name IN ('OR', '(')"),
        (RUNS, "`attributes`.status != 'RUNNING' AND artifact_uri = 'x' AND user_id = 'a'"),
        (EXPERIMENTS, "attribute.name ILIKE 'a' AND creation_time < 5 AND tags.k IS NULL"),
        (EXPERIMENTS, "experiment_id IN ('0')"),
        (REGISTERED_MODELS, "name IN ('a') AND tag.`mlflow.prompt.is_prompt` != 'true'"),
        (MODEL_VERSIONS, "run_id IN ('a') AND version_number > 1 AND source_path LIKE 's3:%'"),
        (LOGGED_MODELS, "attributes.model_type IN ('a') AND metrics.acc > 0.5"),
        (LOGGED_MODELS, "last_updated_timestamp < 5 AND params.depth != '1'"),
    ],
)  # fmt: skip
def test_filter_of_mlflow_is_taken(names: Names, text: str | None) -> None:
    assert check_filter(text, names) == text


@pytest.mark.parametrize(
    ("names", "text", "at"),
    [
        (RUNS, "run_name = 'a' OR run_name = 'b'", 15), (RUNS, "(run_name = 'a')", 0),
        (RUNS, "run_name = 'a' AND (status = 'b')", 19), (RUNS, "metrics.loss IS NULL", 13),
        (RUNS, "params.opt IN ('adam')", 11), (RUNS, "status IN ('FINISHED')", 7),
        (RUNS, "best.loss > 1", 0), (RUNS, "user_name = 'a'", 0), (RUNS, "end_time IS NULL", 9),
        (EXPERIMENTS, "attributes.creation_time >= 5", 0), (EXPERIMENTS, "name IN ('a')", 5),
        (EXPERIMENTS, "created_at > 5", 0), (EXPERIMENTS, "attr.name = 'a'", 0),
        (REGISTERED_MODELS, "tags.k IS NULL", 7), (REGISTERED_MODELS, "timestamp > 5", 0),
        (MODEL_VERSIONS, "source_path IN ('a')", 12), (MODEL_VERSIONS, "stage = 'None'", 0),
        (LOGGED_MODELS, "param.depth = '1'", 0), (LOGGED_MODELS, "tags.k IS NULL", 7),
    ],
)  # fmt: skip
def test_filter_of_ours_alone_is_refused(names: Names, text: str, at: int) -> None:
    with pytest.raises(InvalidFilter, match=rf"At character {at + 1}: "):
        check_filter(text, names)


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", "/runs/search", {"experiment_ids": ["0"]}),
        ("POST", "/experiments/search", {"max_results": 1}),
        ("GET", "/experiments/search", {"max_results": 1}),
        ("GET", "/registered-models/search", {}),
        ("GET", "/model-versions/search", {}),
        ("POST", "/logged-models/search", {"experiment_ids": ["0"]}),
    ],
)
async def test_search_of_mlflow_joins_by_and_alone(
    client: httpx2.AsyncClient, method: str, path: str, more: dict[str, Any]
) -> None:
    await new_experiment(client)
    for joined, status in (("AND", 200), ("OR", 400)):
        wanted = {**more, "filter": f"name = 'a' {joined} name = 'b'"}
        if path == "/runs/search":
            wanted["filter"] = wanted["filter"].replace("name", "run_name")
        place = "params" if method == "GET" else "json"
        options: dict[str, Any] = {place: wanted}
        answer = await client.request(method, f"{ROOT}{path}", **options)
        assert answer.status_code == status, answer.text
