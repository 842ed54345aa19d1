"""Params, tags and metrics: keys, the latest value, the history, numbers at the borders."""

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


# (value, timestamp, step), as they arrive
ARRIVALS = {
    "greatest step": [(1.0, 10, 1), (2.0, 5, 3), (3.0, 99, 2)],
    "then timestamp": [(1.0, 10, 1), (2.0, 9, 1)],
    "then value": [(2.0, 10, 1), (1.0, 10, 1)],
    "NaN counts as 0": [(-1.0, 10, 1), (float("nan"), 10, 1)],
    "NaN is below 1": [(1.0, 10, 1), (float("nan"), 10, 1)],
    "older step": [(1.0, 10, 5), (2.0, 11, 4)],
    "negative steps": [(1.0, 10, -5), (2.0, 10, -4)],
}


@step()
def latest_value(s: Session) -> Any:
    found = {}
    for name, points in ARRIVALS.items():
        run = s.new_run()
        for value, timestamp, number in points:
            s.client.log_metric(run, "m", value, timestamp=timestamp, step=number)
        found[name] = s.run(run).data.metrics["m"]
    return found


@step()
def history_is_in_order(s: Session) -> Any:
    run = s.new_run()
    points = [(5.0, 30, 0), (1.0, 10, 9), (2.0, 10, 3), (0.5, 10, 3), (7.0, 20, -1)]
    for value, timestamp, number in points:
        s.client.log_metric(run, "m", value, timestamp=timestamp, step=number)
    return [views.point(p) for p in s.client.get_metric_history(run, "m")]


@step()
def same_point_again(s: Session) -> Any:
    run = s.new_run()
    for value in (1.0, 1.0, 2.0, 1.0):
        s.client.log_metric(run, "m", value, timestamp=10, step=1)
    return [views.point(p) for p in s.client.get_metric_history(run, "m")]


@step()
def doubles_are_exact(s: Session) -> Any:
    run, points = s.new_run(), [5e-324, 1 / 3, 0.1 + 0.2, -0.0, 1e308, 2.0**53 + 2, -1e-9]
    for number, value in enumerate(points):
        s.client.log_metric(run, "m", value, timestamp=1, step=number)
    back = [p.value for p in s.client.get_metric_history(run, "m")]
    return [value == other for value, other in zip(points, back, strict=True)]


@step()
def nan_is_kept(s: Session) -> Any:
    run = s.new_run()
    s.client.log_metric(run, "m", float("nan"), timestamp=1)
    return [
        s.run(run).data.metrics,
        [views.point(p) for p in s.client.get_metric_history(run, "m")],
    ]


@step(
    differs="an infinite value is no finite one",
    right=[{"down": "-inf", "up": "inf"}, [["inf", 1, 0]]],
)
def infinity_is_kept(s: Session) -> Any:
    run = s.new_run()
    s.client.log_metric(run, "up", float("inf"), timestamp=1)
    s.client.log_metric(run, "down", float("-inf"), timestamp=1)
    history = [views.point(p) for p in s.client.get_metric_history(run, "up")]
    return [s.run(run).data.metrics, history]


@step()
def whole_numbers_at_the_borders(s: Session) -> Any:
    run = s.new_run()
    last = 2**63 - 1
    for key, (timestamp, number) in {"hi": (last, last), "lo": (0, -(2**63))}.items():
        s.client.log_metric(run, key, 1.0, timestamp=timestamp, step=number)
    return {
        key: [views.point(p) for p in s.client.get_metric_history(run, key)] for key in ("hi", "lo")
    }


@step()
def negative_timestamp(s: Session) -> Any:
    return s.attempt(s.client.log_metric, s.new_run(), "m", 1.0, timestamp=-1)


@step()
def value_that_is_no_number(s: Session) -> Any:
    return [s.attempt(s.client.log_metric, s.new_run(), "m", value) for value in ("x", None, "1.5")]


@step()
def defaults_of_step_and_time(s: Session) -> Any:
    run = s.new_run()
    s.client.log_metric(run, "m", 1)
    point = s.client.get_metric_history(run, "m")[0]
    return {"timestamp": point.timestamp, "step": point.step, "value": point.value}


@step()
def unknown_key_has_no_history(s: Session) -> Any:
    return s.client.get_metric_history(s.new_run(), "m")


@step(since=3)
def metric_of_a_dataset(s: Session) -> Any:
    run = s.new_run()
    s.client.log_metric(run, "m", 1.0, timestamp=1, dataset_name="d", dataset_digest="1")
    return s.run(run).data.metrics
