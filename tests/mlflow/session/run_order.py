"""The order of runs, pages, and which runs a search looks at."""

from functools import cache
from typing import Any

from mlflow.entities import Metric, Param, RunTag, ViewType

from tests.mlflow.session.steps import Session, step

NAN, INF = float("nan"), float("inf")
# name: (start, metric, param, tag)
RUNS = {
    "a": (1005, 2.0, "b", "2"), "b": (1004, NAN, "B", "10"), "c": (1004, -1.0, "a", None),
    "d": (1002, None, None, "1"), "e": (1001, 2.0, "é", "1"), "f": (1000, NAN, "", "a"),
}  # fmt: skip


@cache
def seeded(s: Session) -> str:
    made = s.new_experiment("order")
    for name, (start, metric, param, tag) in RUNS.items():
        run = s.new_run(made, run_name=name, start_time=start)
        s.client.log_batch(
            run,
            [] if metric is None else [Metric("m", metric, 1, 0)],
            [] if param is None else [Param("p", param)],
            [] if tag is None else [RunTag("t", tag)],
        )
    return made


def ordered(s: Session, *orders: str | list[str]) -> dict[str, Any]:
    """Return the names of the runs in each order; no order leaves "b" and "c" to their ids."""
    made, names = seeded(s), {}
    for order in orders:
        runs: list[Any] = []
        keys = [order] if isinstance(order, str) else order
        refused = s.attempt(
            lambda runs=runs, keys=keys: runs.extend(s.client.search_runs([made], order_by=keys))
        )
        found = " ".join(run.info.run_name for run in runs)
        names[", ".join(keys)] = found if refused == "accepted" else refused
    return names


@step()
def by_metric(s: Session) -> Any:
    return ordered(
        s, "metrics.m", "metrics.m ASC", "metric.m desc", ["metrics.m", "start_time ASC"]
    )


@step()
def by_param(s: Session) -> Any:
    return ordered(s, "params.p ASC", "params.p DESC", "param.`p`")


@step()
def by_tag(s: Session) -> Any:
    return ordered(s, ["tags.t", "start_time"], ["tag.t DESC", "run_name"])


@step()
def by_attribute(s: Session) -> Any:
    return ordered(
        s, "run_name", "attributes.run_name DESC", ["start_time ASC",
        "run_name"], ["attribute.start_time DESC", "run_name DESC"],
        ["status", "run_name ASC"], ["end_time", "run_name"], ["user_id DESC",
        "run_name"], ["created ASC", "run_name"],
    )  # fmt: skip


@step()
def by_what_is_absent(s: Session) -> Any:
    return ordered(
        s, ["metrics.no DESC", "run_name"], ["params.no", "run_name DESC"], ["tags.no", "run_name"]
    )


@step()
def orders_refused(s: Session) -> Any:
    return ordered(
        s, "lifecycle_stage", "dataset.name", "no_such", "metrics.m UP", "metrics.m ASC DESC",
        "m", "start_time, run_name",
        "", "metrics.m; DROP TABLE runs", "things.a",
    )  # fmt: skip


@step()
def ties_are_newest_first_then_by_id(s: Session) -> Any:
    made = s.new_experiment("ties")
    for _ in range(4):
        s.new_run(made, start_time=1000)
    s.new_run(made, start_time=2000, run_name="newest")
    found = [run.info for run in s.client.search_runs([made])]
    same = [info.run_id for info in found[1:]]
    return [found[0].run_name, same == sorted(same)]


def pages(s: Session, experiments: list[str], size: int, **options: Any) -> list[list[str]]:
    names, token = [], None
    while True:
        page = s.client.search_runs(experiments, max_results=size, page_token=token, **options)
        names.append([run.info.run_name for run in page])
        token = page.token
        if not token:
            return names


@step()
def pages_end(s: Session) -> Any:
    made = s.new_experiment("pages")
    for n in range(12):
        s.new_run(made, run_name=f"r{n}", start_time=1000 + n)
    return {size: pages(s, [made], size) for size in (5, 6, 11, 12, 13)}


@step()
def pages_in_an_order(s: Session) -> Any:
    options = {"order_by": ["metrics.m DESC", "run_name"]}
    return [
        pages(s, [seeded(s)], 2, **options),
        pages(s, [seeded(s)], 1, filter_string="tags.t = '1'"),
    ]


@step()
def sizes_of_pages(s: Session) -> Any:
    made = seeded(s)
    sizes = (0, -1, 1, 50_000, 50_001)
    return {n: s.attempt(s.client.search_runs, [made], max_results=n) for n in sizes}


@step()
def token_of_another_server(s: Session) -> Any:
    return [
        s.attempt(s.client.search_runs, [seeded(s)], page_token=token) for token in ("x", "AAAA")
    ]


@step()
def views_of_deleted_runs(s: Session) -> Any:
    made = s.new_experiment("views")
    for name in ("kept", "gone"):
        run = s.new_run(made, run_name=name)
    s.client.delete_run(run)
    return {
        view: sorted(
            r.info.run_name
            for r in s.client.search_runs([made], run_view_type=getattr(ViewType, view))
        )
        for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
    }


@step()
def several_experiments(s: Session) -> Any:
    made = [s.new_experiment(f"several-{n}") for n in range(3)]
    for n, experiment in enumerate(made):
        s.new_run(experiment, run_name=f"r{n}", start_time=1000 + n)
    s.client.delete_experiment(made[2])
    found = s.client.search_runs([*made, "999999999"])
    return [
        [run.info.run_name for run in found],
        s.client.search_runs([]),
        s.client.search_runs(["999999999"]),
    ]
