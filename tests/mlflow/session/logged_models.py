"""Logged models, which clients know since 3."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import mlflow

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


@step(since=3)
def create_with_everything(s: Session) -> Any:
    run = s.new_run()
    made = s.client.create_logged_model(
        s.experiment, "net é", run, tags={"k": "v"}, params={"depth": "3"}, model_type="agent"
    )
    return [views.logged_model(made), views.logged_model(s.client.get_logged_model(made.model_id))]


@step(since=3)
def create_with_nothing(s: Session) -> Any:
    made = s.client.create_logged_model(s.experiment)
    return [bool(made.name), made.model_type, made.source_run_id, made.params, made.status.value]


@step(since=3)
def names_are_refused(s: Session) -> Any:
    names = ("a/b", "a:b", "a.b", "a%b", 'a"b', "a'b", "a b", "")
    return {name: s.attempt(s.client.create_logged_model, s.experiment, name) for name in names}


@step(since=3)
def status_is_final(s: Session) -> Any:
    found = {}
    for status in ("READY", "FAILED"):
        made = s.client.create_logged_model(s.experiment, "m").model_id
        s.client.finalize_logged_model(made, status)
        found[status] = s.client.get_logged_model(made).status.value
    return found


@step(since=3)
def tags_change_and_params_are_added(s: Session) -> Any:
    made = s.client.create_logged_model(s.experiment, "m", tags={"a": "1", "b": "1"}).model_id
    s.client.set_logged_model_tags(made, {"a": "2", "c": "3"})
    s.client.delete_logged_model_tag(made, "b")
    s.client.log_model_params(made, {f"p{n}": str(n) for n in range(120)})
    found = s.client.get_logged_model(made)
    return [views.tags(found.tags), len(found.params), found.params["p119"]]


@step(since=3)
def absent_tag_is_deleted(s: Session) -> Any:
    made = s.client.create_logged_model(s.experiment, "m").model_id
    return s.attempt(s.client.delete_logged_model_tag, made, "no")


@step(since=3)
def metrics_belong_to_run_and_model(s: Session) -> Any:
    run = s.new_run()
    made = s.client.create_logged_model(s.experiment, "m", run).model_id
    for number in range(2):
        s.client.log_metric(
            run,
            "acc",
            number / 2,
            timestamp=5,
            step=number,
            model_id=made,
            dataset_name="d",
            dataset_digest="1",
        )
    return [s.run(run).data.metrics, views.logged_model(s.client.get_logged_model(made))["metrics"]]


@step(since=3)
def deleted_one_is_gone(s: Session) -> Any:
    made = s.client.create_logged_model(s.experiment, "gone").model_id
    s.client.delete_logged_model(made)
    found = s.client.search_logged_models([s.experiment], "name = 'gone'")
    return [
        s.attempt(s.client.get_logged_model, made),
        len(found),
        s.attempt(s.client.delete_logged_model, made),
    ]


@step(since=3)
def unknown_one(s: Session) -> Any:
    unknown = "m-" + "0" * 32
    return {
        "get": s.attempt(s.client.get_logged_model, unknown),
        "finalize": s.attempt(s.client.finalize_logged_model, unknown, "READY"),
        "tags": s.attempt(s.client.set_logged_model_tags, unknown, {"a": "b"}),
        "params": s.attempt(s.client.log_model_params, unknown, {"a": "b"}),
        "delete": s.attempt(s.client.delete_logged_model, unknown),
        "experiment": s.attempt(s.client.create_logged_model, "999999999"),
    }


@step(since=3)
def inputs_and_outputs_of_runs(s: Session) -> Any:
    from mlflow.entities import (  # noqa: PLC0415 - unknown to clients before 3
        LoggedModelInput,
        LoggedModelOutput,
    )

    run = s.new_run()
    made = s.client.create_logged_model(s.experiment, "io", run).model_id
    s.client.log_outputs(run, [LoggedModelOutput(made, 3)])
    s.client.log_inputs(run, models=[LoggedModelInput(made)])
    found = s.run(run)
    outputs = [{"model_id": one.model_id, "step": one.step} for one in found.outputs.model_outputs]
    return [outputs, [{"model_id": one.model_id} for one in found.inputs.model_inputs]]


@step(since=3)
def files(s: Session) -> Any:
    made = s.client.create_logged_model(s.experiment, "files").model_id
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "weights.bin")
        path.write_bytes(b"abc" * 100)
        s.client.log_model_artifact(made, str(path))
        s.client.log_model_artifacts(made, folder, "sub")
        place = s.client.get_logged_model(made).artifact_location
        back = mlflow.artifacts.download_artifacts(f"{place}/weights.bin", dst_path=folder + "/to")
        whole = mlflow.artifacts.download_artifacts(f"models:/{made}", dst_path=folder + "/all")
        size = [Path(back).stat().st_size, len(list(Path(whole).rglob("*.bin")))]
    lists = [s.client.list_logged_model_artifacts(made, path) for path in (None, "sub")]
    return [size, [[views.file(one) for one in found] for found in lists]]


@cache
def seeded(s: Session) -> str:
    made = s.new_experiment("models")
    run = s.new_run(made)
    for n, (name, kind, acc) in enumerate(
        (("a", "agent", 0.1), ("b", "net", 0.9), ("C", "net", None))
    ):
        one = s.client.create_logged_model(
            made, name, run, params={"depth": str(n)}, tags={"t": name.lower()}, model_type=kind
        ).model_id
        if acc:
            s.client.log_metric(run, "acc", acc, timestamp=n, step=0, model_id=one)
            s.client.finalize_logged_model(one, "READY")
    return made


@step(since=3)
def filters(s: Session) -> Any:
    texts = (
        "name = 'a'", "name != 'a'", "name LIKE '_'", "name ILIKE 'c'", "name IN ('a', 'C')",
        "name NOT IN ('a')",
        "model_type = 'net'", "attributes.model_type = 'net'", "params.depth = '1'",
        "tags.t LIKE 'c%'",
        "metrics.acc > 0.5", "metrics.acc <= 0.1", "creation_timestamp > 1000",
        "last_updated_timestamp < 1000",
        "name = 'b' AND metrics.acc > 0.5", "params.depth != '1'", "source_run_id != 'x'",
    )  # fmt: skip
    made = seeded(s)
    return {
        text: sorted(m.name for m in s.client.search_logged_models([made], text)) for text in texts
    }


@step(since=3)
def filters_refused(s: Session) -> Any:
    texts = ("name > 'a'", "no = 'a'", "param.depth = '1'")
    made = seeded(s)
    return {text: s.attempt(s.client.search_logged_models, [made], text) for text in texts}


@step(
    since=3,
    differs="a number that is compared with text is the caller's mistake, so 400 and not 500",
    right=[{"error": "INVALID_PARAMETER_VALUE", "status": 400}] * 2,
)
def numbers_compared_with_text(s: Session) -> Any:
    made = seeded(s)
    texts = ("metrics.acc = '1'", "creation_timestamp = 'a'")
    return [s.attempt(s.client.search_logged_models, [made], text) for text in texts]


@step(
    since=3, differs="a status is found by its name; PostgreSQL refuses the text", right=["a", "b"]
)
def filter_by_status(s: Session) -> Any:
    found = s.client.search_logged_models([seeded(s)], "status = 'READY'")
    return sorted(model.name for model in found)


@step(since=3)
def order_and_pages(s: Session) -> Any:
    made = seeded(s)
    orders = (
        ("name", True),
        ("name", False),
        ("metrics.acc", True),
        ("metrics.acc", False),
        ("creation_timestamp", True),
    )
    found = {
        f"{key} {ascending}": [
            m.name
            for m in s.client.search_logged_models(
                [made], order_by=[{"field_name": key, "ascending": ascending}]
            )
        ]
        for key, ascending in orders
    }
    first = s.client.search_logged_models([made], max_results=2)
    second = s.client.search_logged_models([made], max_results=2, page_token=first.token)
    return [found, len(first), len(second), second.token]


@step(since=3)
def orders_refused(s: Session) -> Any:
    made = seeded(s)
    return {
        key: s.attempt(s.client.search_logged_models, [made], order_by=[{"field_name": key}])
        for key in ("no", "params.depth", "tags.t")
    }
