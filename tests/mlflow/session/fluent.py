"""The fluent calls that training scripts and autologgers make."""

from typing import Any

import mlflow
from mlflow.models import Model

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


@step()
def nested_runs(s: Session) -> Any:
    with mlflow.start_run(experiment_id=s.experiment, run_name="outer") as outer:
        mlflow.log_params({"depth": 3, "rate": 0.1})
        with mlflow.start_run(nested=True, run_name="inner", experiment_id=s.experiment) as inner:
            mlflow.log_metrics({"loss": 0.5, "acc": 0.75}, step=2)
            mlflow.set_tags({"k": 1})
    return [views.run(s.run(run.info.run_id)) for run in (outer, inner)]


@step()
def exception_makes_it_failed(s: Session) -> Any:
    def fail(call: mlflow.ActiveRun) -> None:
        with call:
            raise KeyError

    run = mlflow.start_run(experiment_id=s.experiment)
    return [s.attempt(fail, run), s.run(run.info.run_id).info.status]


@step()
def reopened_run(s: Session) -> Any:
    run = s.new_run(start_time=1000)
    s.client.set_terminated(run, end_time=2000)
    with mlflow.start_run(run_id=run):
        running = s.run(run).info.status
        mlflow.log_metric("again", 1)
    info = s.run(run).info
    return [running, info.status, info.start_time, {"end_time": info.end_time}]


@step()
def deleted_run_is_not_reopened(s: Session) -> Any:
    run = s.new_run()
    s.client.delete_run(run)
    refused = s.attempt(mlflow.start_run, run_id=run)
    mlflow.end_run()
    return refused


@step()
def asynchronous_logging(s: Session) -> Any:
    run = s.new_run()
    waiting = [
        s.client.log_metric(run, "m", n / 2, timestamp=n, step=n, synchronous=False)
        for n in range(20)
    ]
    waiting += [s.client.log_param(run, f"p{n}", n, synchronous=False) for n in range(5)]
    waiting += [s.client.set_tag(run, f"t{n}", n, synchronous=False) for n in range(5)]
    for operation in waiting:
        operation.wait()
    found = views.run(s.run(run))
    history = [views.point(p) for p in s.client.get_metric_history(run, "m")]
    return [found["params"], found["tags"], found["metrics"], len(history), history[-1]]


@step()
def log_more_params_than_a_batch_holds(s: Session) -> Any:
    with mlflow.start_run(experiment_id=s.experiment) as run:
        mlflow.log_params({f"p{n}": n for n in range(230)})
        mlflow.log_metrics({f"m{n}": n for n in range(1200)}, step=1)
    data = s.run(run.info.run_id).data
    return [len(data.params), data.params["p229"], len(data.metrics), data.metrics["m1199"]]


@step()
def search_by_name_of_the_experiment(s: Session) -> Any:
    made = s.new_experiment("fluent-search")
    names = [f"r{n}" for n in range(3)]
    for n, name in enumerate(names):
        s.new_run(made, run_name=name, start_time=1000 + n)
    found = mlflow.search_runs(experiment_names=[s.name("fluent-search")], output_format="list")
    return [run.info.run_name for run in found]


@step()
def model_recorded_by_clients_before_3(s: Session) -> Any:
    """The call is ``log_model`` of 2.22; 3 keeps it."""
    run = s.new_run()
    for path in ("one", "two"):
        model = Model(artifact_path=path, run_id=run, utc_time_created="2026-01-01 00:00:00")
        s.client._record_logged_model(run, model)
    history = s.run(run).data.tags.get("mlflow.log-model.history", "")
    return [path in history for path in ('"one"', '"two"')]
