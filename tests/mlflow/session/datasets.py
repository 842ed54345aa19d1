"""Datasets that runs read."""

from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag

from tests.mlflow.session.steps import Session, step


def logged(name: str, digest: str = "1", context: str = "train", **fields: str) -> DatasetInput:
    fields = {"source_type": "local", "source": '{"uri": "x"}', **fields}
    data = Dataset(name, digest, **fields)
    return DatasetInput(data, [InputTag("mlflow.data.context", context)])


def inputs(s: Session, run: str) -> Any:
    return sorted(
        [
            {**dict(one.dataset), "tags": sorted([tag.key, tag.value] for tag in one.tags)}
            for one in s.run(run).inputs.dataset_inputs
        ],
        key=lambda one: (one["name"], one["digest"]),
    )


@step()
def everything_of_a_dataset(s: Session) -> Any:
    run = s.new_run()
    s.client.log_inputs(run, [logged("all é", schema='{"a": 1}', profile='{"rows": 2}')])
    return inputs(s, run)


@step()
def logged_twice_is_once(s: Session) -> Any:
    run = s.new_run()
    for _ in range(2):
        s.client.log_inputs(run, [logged("again"), logged("again", "2")])
    s.client.log_inputs(run, [logged("again", context="test")])
    return inputs(s, run)


@step()
def shared_by_two_runs(s: Session) -> Any:
    runs = [s.new_run(), s.new_run()]
    for run in runs:
        s.client.log_inputs(run, [logged("shared")])
    return [inputs(s, run) for run in runs]


@step()
def lengths_are_limited(s: Session) -> Any:
    run = s.new_run()
    tries = {
        "name 501": logged("x" * 501), "digest 37": logged("d",
        "x" * 37), "name 500": logged("x" * 500, "x" * 36),
        "source 64 KiB": logged("s", source="x" * (1 << 16)), "schema 1 MiB": logged("c",
        schema="x" * (1 << 20)),
        "context 501": logged("t", context="x" * 501),
    }  # fmt: skip
    found = {name: s.attempt(s.client.log_inputs, run, [one]) for name, one in tries.items()}
    return [found, len(inputs(s, run))]


@step()
def runs_refuse(s: Session) -> Any:
    run = s.new_run()
    s.client.delete_run(run)
    return [s.attempt(s.client.log_inputs, one, [logged("d")]) for one in (run, "0" * 32)]


@step()
def shown_by_search(s: Session) -> Any:
    made = s.new_experiment("datasets")
    for name in ("one", "two"):
        s.client.log_inputs(s.new_run(made, run_name=name), [logged(name)])
    found = s.client.search_runs([made], order_by=["run_name"])
    return [[one.dataset.name for one in run.inputs.dataset_inputs] for run in found]
