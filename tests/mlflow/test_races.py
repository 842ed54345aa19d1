"""Eight writers at once: no request fails, and what they leave is what one of them would."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import httpx2
import pytest

from tests.mlflow.plain import Plain, accepted, new_name

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("mlflow")]
WRITERS, ROUNDS = 8, 6


def at_once(call: Callable[[int], httpx2.Response]) -> list[httpx2.Response]:
    """Return what each writer was answered; all begin at the same moment."""
    barrier = Barrier(WRITERS)

    def begin(writer: int) -> httpx2.Response:
        barrier.wait(30)
        return call(writer)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(begin, range(WRITERS)))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/runs/set-tag", {"key": "k", "value": "1"}),
        ("/runs/log-parameter", {"key": "k", "value": "1"}),
        ("/runs/log-metric", {"key": "k", "value": 1, "timestamp": 1, "step": 1}),
        ("/runs/log-batch", {"tags": [{"key": "k", "value": "1"}]}),
        ("/runs/log-batch", {"params": [{"key": "k", "value": "1"}]}),
        ("/runs/log-batch", {"metrics": [{"key": "k", "value": 1, "timestamp": 1}]}),
    ],
)
def test_same_value_by_eight_writers_is_accepted(
    mlflow_client: Plain, path: str, fields: dict[str, Any]
) -> None:
    run = mlflow_client.new_run()
    for number in range(ROUNDS):
        body = {"run_id": run, **_numbered(fields, number)}
        for answer in at_once(partial(_post, mlflow_client, path, body)):
            accepted(answer)
    assert sum(map(len, mlflow_client.data(run))) == ROUNDS


def _post(client: Plain, path: str, body: dict[str, Any], _writer: int) -> httpx2.Response:
    return client.post(path, body)


def _numbered(fields: dict[str, Any], number: int) -> dict[str, Any]:
    if "key" in fields:
        return {**fields, "key": f"k{number}"}
    return {part: [{**rows[0], "key": f"k{number}"}] for part, rows in fields.items()}


def test_batches_of_the_same_keys_in_other_orders_do_not_lock(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    keys = [f"k{n}" for n in range(50)]

    def write(writer: int) -> httpx2.Response:
        turned = keys[writer * 6 :] + keys[: writer * 6]
        points = [{"key": key, "value": writer, "timestamp": 1, "step": writer} for key in turned]
        tags = [{"key": key, "value": str(writer)} for key in turned]
        return mlflow_client.post(
            "/runs/log-batch", {"run_id": run, "metrics": points, "tags": tags}
        )

    for answer in at_once(write):
        accepted(answer)
    metrics, _, tags = mlflow_client.data(run)
    assert metrics == dict.fromkeys(keys, WRITERS - 1)
    assert len(set(tags.values())) == 1  # one batch was the last, as a whole
    assert len(mlflow_client.history(run, "k0")) == WRITERS


def test_param_of_eight_values_is_that_of_one(mlflow_client: Plain) -> None:
    run = mlflow_client.new_run()
    body = {"run_id": run, "key": "p"}
    answers = at_once(
        lambda n: mlflow_client.post("/runs/log-parameter", {**body, "value": str(n)})
    )
    winners = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    assert len(winners) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert mlflow_client.data(run)[1] == {"p": str(winners[0])}


def test_experiment_of_eight_creators_is_made_once(mlflow_client: Plain) -> None:
    name = new_name()
    answers = at_once(lambda _: mlflow_client.post("/experiments/create", {"name": name}))
    codes = [answer.json().get("error_code") for answer in answers]
    assert sorted(codes, key=str) == [None, *["RESOURCE_ALREADY_EXISTS"] * (WRITERS - 1)]
    assert {answer.status_code for answer in answers} == {200, 400}


def test_versions_of_eight_creators_have_no_gap(mlflow_client: Plain) -> None:
    name = new_name()
    accepted(mlflow_client.post("/registered-models/create", {"name": name}))
    body = {"name": name, "source": "s3://bucket/model"}
    answers = at_once(lambda _: mlflow_client.post("/model-versions/create", body))
    numbers = {accepted(answer)["model_version"]["version"] for answer in answers}
    assert numbers == {str(n + 1) for n in range(WRITERS)}
