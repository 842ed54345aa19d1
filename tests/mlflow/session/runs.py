"""Runs: creation, names, status, deletion."""

import re
from collections.abc import Callable
from typing import Any

from mlflow.entities import RunTag

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


@step()
def create_with_everything(s: Session) -> Any:
    tags = {"mlflow.user": "ada", "mlflow.note.content": "# Note", "k": "v"}
    made = s.client.create_run(s.experiment, start_time=1234, tags=tags, run_name="fit é")
    return [views.run(made), views.run(s.run(made.info.run_id)) == views.run(made)]


@step()
def create_with_nothing(s: Session) -> Any:
    made = s.client.create_run(s.experiment)
    name = made.info.run_name
    shaped = bool(re.fullmatch(r"[a-z]+-[a-z]+-\d+", name))
    return [shaped, made.data.tags["mlflow.runName"] == name, views.run(made)["start_time"] > 1]


@step()
def name_by_tag(s: Session) -> Any:
    made = s.client.create_run(s.experiment, tags={"mlflow.runName": "by tag"})
    return [made.info.run_name, made.data.tags["mlflow.runName"]]


@step()
def two_names_that_differ(s: Session) -> Any:
    tags = {"mlflow.runName": "a"}
    same = s.attempt(s.client.create_run, s.experiment, tags=tags, run_name="a")
    return [same, s.attempt(s.client.create_run, s.experiment, tags=tags, run_name="b")]


@step()
def rename_by_update_and_by_tag(s: Session) -> Any:
    run, names = s.new_run(), []
    changes: list[Callable[[], Any]] = [
        lambda: s.client.update_run(run, name="second"),
        lambda: s.client.set_tag(run, "mlflow.runName", "third"),
    ]
    for change in changes:
        change()
        found = s.run(run)
        names.append([found.info.run_name, found.data.tags["mlflow.runName"], found.info.status])
    return names


@step()
def status_changes(s: Session) -> Any:
    run, found = s.new_run(), []
    for status in ("SCHEDULED", "FINISHED", "RUNNING", "KILLED"):
        s.client.update_run(run, status=status)
        info = s.run(run).info
        found.append([info.status, info.end_time])
    return found


@step()
def terminated_at_a_time(s: Session) -> Any:
    run = s.new_run(start_time=1000)
    s.client.set_terminated(run, "FAILED", end_time=2000)
    failed = s.run(run).info
    s.client.set_terminated(run)
    info = s.run(run).info
    return [failed.status, failed.end_time, info.status, {"end_time": info.end_time}]


@step()
def get_an_unknown_one(s: Session) -> Any:
    unknown = ("0" * 32, "no-such-run", "../up", "a" * 300)
    return [s.attempt(s.client.get_run, run) for run in unknown]


@step()
def create_in_an_unknown_experiment(s: Session) -> Any:
    return s.attempt(s.client.create_run, "999999999")


@step()
def delete_and_restore_are_idempotent(s: Session) -> Any:
    run, stages = s.new_run(), []
    for call in [s.client.delete_run] * 2 + [s.client.restore_run] * 2:
        call(run)
        stages.append(s.run(run).info.lifecycle_stage)
    unknown = [s.attempt(c, "0" * 32) for c in (s.client.delete_run, s.client.restore_run)]
    return [stages, unknown]


@step()
def deleted_one_refuses_writes(s: Session) -> Any:
    run = s.new_run(tags={"k": "v"})
    s.client.delete_run(run)
    client = s.client
    return {
        "metric": s.attempt(client.log_metric, run, "m", 1.0),
        "param": s.attempt(client.log_param, run, "p", "1"),
        "tag": s.attempt(client.set_tag, run, "k", "w"),
        "delete tag": s.attempt(client.delete_tag, run, "k"),
        "batch": s.attempt(client.log_batch, run, tags=[RunTag("k", "w")]),
        "status": s.attempt(client.set_terminated, run),
        "name": s.attempt(client.update_run, run, name="x"),
    }


@step()
def unknown_one_refuses_writes(s: Session) -> Any:
    run, client = "0" * 32, s.client
    return {
        "metric": s.attempt(client.log_metric, run, "m", 1.0),
        "param": s.attempt(client.log_param, run, "p", "1"),
        "tag": s.attempt(client.set_tag, run, "k", "w"),
        "delete tag": s.attempt(client.delete_tag, run, "k"),
        "batch": s.attempt(client.log_batch, run, tags=[RunTag("k", "w")]),
        "history": [views.point(p) for p in client.get_metric_history(run, "m")],
    }


@step()
def parent_is_a_tag(s: Session) -> Any:
    parent = s.new_run()
    child = s.new_run(tags={"mlflow.parentRunId": parent})
    found = s.client.get_parent_run(child)
    return [found.info.run_id == parent, s.client.get_parent_run(parent)]
