"""Params, tags, and what a key may be."""

from typing import Any

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step

KEYS = (
    "plain", "a/b", "a.b", "a-b", "a b", "a:b", "_", "9", "é", "x" * 250,
    "x" * 251, "", "/a", "a/", "a//b", "../a", "a/../b", ".", "./a", "a\tb", "a,b", "a=b", "a\\b",
    "☃",
)  # fmt: skip


@step()
def params_are_text(s: Session) -> Any:
    run = s.new_run()
    for key, value in {"int": 1, "float": 0.1, "none": None, "text": "é ☃", "empty": ""}.items():
        s.client.log_param(run, key, value)
    return s.run(run).data.params


@step()
def param_again(s: Session) -> Any:
    run = s.new_run()
    tries = [s.attempt(s.client.log_param, run, "p", value) for value in ("1", "1", "2", "1")]
    return [tries, s.run(run).data.params]


@step()
def param_is_cut(s: Session) -> Any:
    run = s.new_run()
    tries = [s.attempt(s.client.log_param, run, f"p{n}", "x" * n) for n in (6000, 6001, 9000)]
    return [tries, {key: len(value) for key, value in s.run(run).data.params.items()}]


@step()
def param_keys(s: Session) -> Any:
    run = s.new_run()
    return {key: s.attempt(s.client.log_param, run, key, "1") for key in KEYS}


@step()
def metric_keys(s: Session) -> Any:
    run = s.new_run()
    return {key: s.attempt(s.client.log_metric, run, key, 1.0, timestamp=1) for key in KEYS}


@step()
def tag_keys(s: Session) -> Any:
    run = s.new_run()
    return {key: s.attempt(s.client.set_tag, run, key, "1") for key in KEYS}


@step()
def last_tag_wins(s: Session) -> Any:
    run = s.new_run(tags={"a": "1"})
    for key, value in (("a", "2"), ("b", 3), ("c", ""), ("é", "☃"), ("b", True)):
        s.client.set_tag(run, key, value)
    return views.tags(s.run(run).data.tags)


@step()
def tag_is_cut(s: Session) -> Any:
    run = s.new_run()
    tries = [s.attempt(s.client.set_tag, run, f"t{n}", "x" * n) for n in (8000, 8001, 9000)]
    found = s.run(run).data.tags
    return [tries, {key: len(found[key]) for key in found if key.startswith("t")}]


@step()
def tag_is_deleted_once(s: Session) -> Any:
    run = s.new_run(tags={"a": "1", "b": "2"})
    tries = [s.attempt(s.client.delete_tag, run, "a") for _ in range(2)]
    return [tries, views.tags(s.run(run).data.tags)]


@step()
def names_are_case_sensitive(s: Session) -> Any:
    run = s.new_run()
    for n, key in enumerate(("k", "K")):
        s.client.log_param(run, key, n)
        s.client.set_tag(run, key, n)
        s.client.log_metric(run, key, n, timestamp=n)
    found = views.run(s.run(run))
    return [found["params"], found["metrics"], found["tags"]]
