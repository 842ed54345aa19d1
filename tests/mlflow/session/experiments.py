"""Experiments: creation, names, tags, deletion and what it does to runs."""

from typing import Any

import mlflow

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


@step()
def create_with_tags(s: Session) -> Any:
    made = s.new_experiment("first", tags={"team": "a", "note": "é ☃"})
    return views.experiment(s.client.get_experiment(made))


@step()
def create_with_a_location(s: Session) -> Any:
    made = s.new_experiment("bucket", artifact_location="s3://bucket/here")
    root = s.run(s.new_run(made)).info.artifact_uri
    return [s.client.get_experiment(made).artifact_location, root]


@step()
def place_of_runs_is_below_that_of_the_experiment(s: Session) -> Any:
    place = s.client.get_experiment(s.experiment).artifact_location
    made = s.run(s.new_run()).info
    return made.artifact_uri == f"{place}/{made.run_id}/artifacts"


@step()
def name_is_taken(s: Session) -> Any:
    s.new_experiment("taken")
    return s.attempt(s.new_experiment, "taken")


@step()
def name_of_a_deleted_one_is_taken(s: Session) -> Any:
    s.client.delete_experiment(s.new_experiment("late"))
    return s.attempt(s.new_experiment, "late")


@step()
def names_are_refused(s: Session) -> Any:
    too_long = s.name("").ljust(501, "x")
    return [s.attempt(s.client.create_experiment, name) for name in ("", too_long)]


@step(differs="its own limit of a name is 500, but its column holds 256", right="accepted")
def longest_name(s: Session) -> Any:
    return s.attempt(s.client.create_experiment, s.name("").ljust(500, "x"))


@step()
def location_in_a_run_is_refused(s: Session) -> Any:
    place = f"runs:/{s.new_run()}/here"
    return s.attempt(s.new_experiment, "in-run", artifact_location=place)


@step()
def get_by_name(s: Session) -> Any:
    made = s.new_experiment("by-name")
    s.client.delete_experiment(s.new_experiment("by-name-deleted"))
    names = ("by-name", "by-name-deleted", "BY-NAME", "absent")
    found = [s.client.get_experiment_by_name(s.name(name)) for name in names]
    return [found[0].experiment_id == made, *[one and one.lifecycle_stage for one in found]]


@step()
def get_an_unknown_one(s: Session) -> Any:
    return [s.attempt(s.client.get_experiment, unknown) for unknown in ("999999999", "")]


@step()
def default_is_number_0(s: Session) -> Any:
    found = s.client.get_experiment("0")
    return [found.experiment_id == "0", found.name, found.lifecycle_stage]


@step()
def rename(s: Session) -> Any:
    made = s.new_experiment("old-name")
    s.client.rename_experiment(made, s.name("new-name"))
    free = s.attempt(s.new_experiment, "old-name")
    return [s.client.get_experiment(made).name, free]


@step(
    differs="a name that is taken has its own error code, not a database error's with its SQL",
    right={"error": "RESOURCE_ALREADY_EXISTS", "status": 400},
)
def rename_to_a_name_that_is_taken(s: Session) -> Any:
    made = [s.new_experiment(f"rename-{n}") for n in range(2)]
    return s.attempt(s.client.rename_experiment, made[1], s.name("rename-0"))


@step(
    differs="a deleted one cannot be renamed: not the server's fault, so 400 and not 500",
    right=[{"error": "INVALID_PARAMETER_VALUE", "status": 400}, "S-gone"],
)
def rename_a_deleted_one(s: Session) -> Any:
    made = s.new_experiment("gone")
    s.client.delete_experiment(made)
    refused = s.attempt(s.client.rename_experiment, made, s.name("other"))
    return [refused, s.client.get_experiment(made).name]


@step()
def tags_are_overwritten(s: Session) -> Any:
    made = s.new_experiment("tagged", tags={"a": "1"})
    for key, value in (("a", "2"), ("b", 3), ("b", "")):
        s.client.set_experiment_tag(made, key, value)
    return views.experiment(s.client.get_experiment(made))["tags"]


@step()
def tag_is_too_long(s: Session) -> Any:
    made = s.new_experiment("long-tag")
    tries = [s.attempt(s.client.set_experiment_tag, made, "k", "x" * n) for n in (5000, 20_001)]
    return [*tries, len(s.client.get_experiment(made).tags.get("k", ""))]


@step(since=3)
def tag_is_deleted_once(s: Session) -> Any:
    made = s.new_experiment("untagged", tags={"a": "1", "b": "2"})
    tries = [s.attempt(s.client.delete_experiment_tag, made, "a") for _ in range(2)]
    return [*tries, s.client.get_experiment(made).tags]


@step()
def delete_takes_the_runs_along(s: Session) -> Any:
    made = s.new_experiment("deleted")
    run = s.new_run(made)
    s.client.delete_experiment(made)
    stages = [s.client.get_experiment(made).lifecycle_stage, s.run(run).info.lifecycle_stage]
    s.client.restore_experiment(made)
    back = [s.client.get_experiment(made).lifecycle_stage, s.run(run).info.lifecycle_stage]
    return [stages, back]


@step(
    differs="a run that was deleted by itself stays deleted when its experiment is restored",
    right=["active", "deleted"],
)
def restore_brings_back_what_it_took(s: Session) -> Any:
    made = s.new_experiment("restored")
    kept, gone = s.new_run(made), s.new_run(made)
    s.client.delete_run(gone)
    s.client.delete_experiment(made)
    s.client.restore_experiment(made)
    return [s.run(run).info.lifecycle_stage for run in (kept, gone)]


@step()
def delete_and_restore_again(s: Session) -> Any:
    made = s.new_experiment("twice")
    calls = [s.client.delete_experiment] * 2 + [s.client.restore_experiment] * 2
    unknown = [s.attempt(call, "999999999") for call in calls[1:3]]
    return [[s.attempt(call, made) for call in calls], unknown]


@step()
def deleted_one_refuses_runs(s: Session) -> Any:
    made = s.new_experiment("closed")
    s.client.delete_experiment(made)
    return s.attempt(s.client.create_run, made)


@step()
def set_experiment_creates_and_finds(s: Session) -> Any:
    made = mlflow.set_experiment(s.name("set")).experiment_id
    again = mlflow.set_experiment(s.name("set")).experiment_id
    by_id = mlflow.set_experiment(experiment_id=made).name
    s.client.delete_experiment(made)
    refused = s.attempt(mlflow.set_experiment, s.name("set"))
    mlflow.set_experiment(experiment_id=s.experiment)
    return [made == again, by_id, refused]
