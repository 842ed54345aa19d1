"""Batches: limits, and that a refused one changes nothing."""

from typing import Any

from mlflow.entities import Metric, Param, RunTag

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


def metrics(count: int) -> list[Metric]:
    return [Metric(f"m{n}", n / 2, 1000 + n, n) for n in range(count)]


def params(count: int) -> list[Param]:
    return [Param(f"p{n}", str(n)) for n in range(count)]


def tags(count: int) -> list[RunTag]:
    return [RunTag(f"t{n}", str(n)) for n in range(count)]


def content(s: Session, run: str) -> list[Any]:
    found = views.run(s.run(run))
    return [found["metrics"], found["params"], found["tags"]]


@step()
def everything_at_once(s: Session) -> Any:
    run = s.new_run()
    for _ in range(2):  # the second changes nothing
        s.client.log_batch(run, metrics(3), params(2), tags(2))
    return [*content(s, run), [views.point(p) for p in s.client.get_metric_history(run, "m2")]]


@step()
def nothing_at_all(s: Session) -> Any:
    return s.attempt(s.client.log_batch, s.new_run())


@step()
def as_much_as_it_holds(s: Session) -> Any:
    run = s.new_run()
    s.client.log_batch(run, metrics(800), params(100), tags(100))
    return [len(part) for part in content(s, run)]


@step()
def more_than_it_holds(s: Session) -> Any:
    tries = {
        "1001 metrics": (metrics(1001), [], []),
        "101 params": ([], params(101), []),
        "101 tags": ([], [], tags(101)),
        "1001 in all": (metrics(801), params(100), tags(100)),
    }
    found = {}
    for name, parts in tries.items():
        run = s.new_run()
        refused = s.attempt(s.client.log_batch, run, *parts)
        found[name] = [refused, [len(part) for part in content(s, run)]]
    return found


@step()
def latest_inside_one_batch(s: Session) -> Any:
    run = s.new_run()
    points = [Metric("m", 1.0, 10, 1), Metric("m", 2.0, 5, 3), Metric("m", 3.0, 99, 2)]
    s.client.log_batch(run, points)
    s.client.log_batch(run, [Metric("m", 4.0, 100, 1)])
    history = [views.point(p) for p in s.client.get_metric_history(run, "m")]
    return [s.run(run).data.metrics, history]


@step()
def same_tag_twice(s: Session) -> Any:
    run = s.new_run()
    s.client.log_batch(run, tags=[RunTag("t", "1"), RunTag("t", "2"), RunTag("u", "3")])
    return content(s, run)[2]


@step()
def same_param_twice(s: Session) -> Any:
    found = []
    for values in (("1", "1"), ("1", "2")):
        run = s.new_run()
        refused = s.attempt(s.client.log_batch, run, params=[Param("p", v) for v in values])
        found.append([refused, content(s, run)[1]])
    return found


@step()
def param_that_changes(s: Session) -> Any:
    run = s.new_run()
    s.client.log_param(run, "p1", "old")
    refused = s.attempt(s.client.log_batch, run, metrics(2), params(3), tags(2))
    return [refused, *content(s, run)]


@step()
def key_that_is_refused(s: Session) -> Any:
    found = {}
    for part in ("metric", "param", "tag"):
        run = s.new_run()
        bad = {
            "metric": lambda: ([*metrics(2), Metric("../m", 1, 1, 1)], params(1), tags(1)),
            "param": lambda: (metrics(1), [*params(2), Param("/p", "1")], tags(1)),
            "tag": lambda: (metrics(1), params(1), [*tags(2), RunTag("a//b", "1")]),
        }[part]()
        found[part] = [s.attempt(s.client.log_batch, run, *bad), *content(s, run)]
    return found


@step()
def long_values_are_cut(s: Session) -> Any:
    run = s.new_run()
    long_param, long_tag = Param("p", "x" * 6001), RunTag("t", "x" * 8001)
    refused = s.attempt(s.client.log_batch, run, [], [long_param], [long_tag])
    _, found, tagged = content(s, run)
    return [refused, {key: len(value) for key, value in found.items()}, len(tagged.get("t", ""))]


@step()
def name_by_a_tag(s: Session) -> Any:
    run = s.new_run()
    s.client.log_batch(run, tags=[RunTag("mlflow.runName", "from batch")])
    found = s.run(run)
    return [found.info.run_name, found.data.tags["mlflow.runName"]]
