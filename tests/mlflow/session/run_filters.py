"""Filters of runs: each operator of each entity, and what the grammar refuses."""

from functools import cache
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

from tests.mlflow.session.steps import Session, step

NAN = float("nan")
# name: (metric, param, tag)
RUNS = {
    "a": (0.1, "adam", "x_y"), "b": (0.5, "Adam", "xzy"), "c": (NAN, "sgd", "100%"),
    "d": (-2.0, "it's", "AND b; OR"), "e": (1e-9, 'say "hi"', "é"), "bare": None,
}  # fmt: skip


@cache
def seeded(s: Session) -> str:
    """Create the runs above in an experiment; the run named "a" has the dataset "train"."""
    made = s.new_experiment("filters")
    for n, (name, values) in enumerate(RUNS.items()):
        run = s.new_run(made, run_name=name, start_time=1000 + n, tags={"mlflow.user": name})
        if values:
            metric, param, tag = values
            s.client.log_batch(
                run,
                [Metric("loss", 9.0, 1, 0), Metric("loss", metric, 2, 1), Metric("v a/l", n, 1, 0)],
                [Param("opt", param), Param("a.b.c", str(n))],
                [RunTag("t", tag), RunTag("é", name)],
            )
            s.client.set_terminated(run, "FINISHED" if n % 2 else "FAILED", end_time=2000 + n)
    data = Dataset("train", "d1", "local", "{}", None, None)
    run = s.client.search_runs([made], "run_name = 'a'")[0].info.run_id
    s.client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    return made


def found(s: Session, *filters: str) -> dict[str, Any]:
    """Return the names of the runs that each filter finds, oldest first, or the refusal."""
    made, names = seeded(s), {}
    for text in filters:
        runs: list[Any] = []
        refused = s.attempt(
            lambda text=text, runs=runs: runs.extend(s.client.search_runs([made], text))
        )
        names[text] = (
            [run.info.run_name for run in reversed(runs)] if refused == "accepted" else refused
        )
    return names


@step()
def metrics(s: Session) -> Any:
    clauses = [f"metrics.loss {op} 0.1" for op in ("=", "!=", ">", ">=", "<", "<=")]
    return found(
        s,
        *clauses,
        "metric.loss = 1e-9",
        "metrics.loss < .5",
        "metrics.loss = -2",
        "metrics.no != 1",
    )


@step()
def metrics_use_the_latest_value(s: Session) -> Any:
    return found(
        s, "metrics.loss = 9", "metrics.loss > -3", 'metrics."v a/l" >= 3', "metrics.`v a/l` < 1"
    )


@step()
def metrics_refused(s: Session) -> Any:
    return found(
        s, "metrics.loss = '1'", "metrics.loss LIKE '1'", "metrics.loss IN (1)",
        "metrics.loss = +1",
        "metrics.loss = NaN", "metrics.loss IS NULL", "metrics.loss == 1", "metrics.loss <> 1",
    )  # fmt: skip


@step()
def params(s: Session) -> Any:
    return found(
        s, "params.opt = 'adam'", "params.opt != 'adam'", "param.opt LIKE 'a%'",
        "parameter.opt ILIKE 'a%'",
        "parameters.opt LIKE '_dam'", "params.no != 'x'", "params.a.b.c = '2'",
        'params.`opt` = "sgd"',
    )  # fmt: skip


@step()
def params_null_or_not(s: Session) -> Any:
    return found(
        s,
        "params.opt IS NULL",
        "params.opt IS NOT NULL",
        "params.opt is null",
        "tags.t IS NOT NULL",
    )


@step()
def params_refused(s: Session) -> Any:
    return found(
        s, "params.opt > '1'", "params.opt = 1", "params.opt = adam", "params.opt IN ('adam')",
        "params.a-b = '1'", "params = '1'", "'adam' = params.opt",
    )  # fmt: skip


@step()
def tags(s: Session) -> Any:
    return found(
        s, "tags.t = 'x_y'", "tags.t != 'x_y'", "tag.t LIKE 'x_y'", "tags.t LIKE 'X%'",
        "tags.t ILIKE 'X%'",
        "tags.é = 'a'", "tags.`t` = 'é'", "tags.t IS NULL", "tags.mlflow.runName = 'b'",
    )  # fmt: skip


@step()
def quotes_and_words_in_text(s: Session) -> Any:
    return found(
        s, """params.opt = "it's" """, """params.opt = 'say "hi"' """, "params.opt = 'it''s'",
        "tags.t = 'AND b; OR'", "tags.t = '100%'", "tags.t LIKE '100%'", "tags.t LIKE '%''",
    )  # fmt: skip


@step()
def attributes_of_text(s: Session) -> Any:
    return found(
        s, "run_name = 'a'", "attributes.run_name != 'a'", "attribute.run_name LIKE '_'",
        "attr.run_name ILIKE 'B%'",
        "run.run_name = 'a'", "`run name` = 'a'", "attributes.status = 'FINISHED'",
        "status != 'FINISHED'",
        "status LIKE 'FIN%'", "status ILIKE 'fin%'", "user_id = 'a'", "user_id ILIKE 'B'",
        "`attributes`.status = 'RUNNING'",
    )  # fmt: skip


@step()
def attributes_of_time(s: Session) -> Any:
    clauses = [f"start_time {op} 1002" for op in ("=", "!=", ">", ">=", "<", "<=")]
    return found(s, *clauses, "created > 1003", "attributes.end_time <= 2001", "end_time != 2001")


@step()
def ids(s: Session) -> Any:
    runs = {run.info.run_name: run.info.run_id for run in s.client.search_runs([seeded(s)])}
    clauses = {
        "=": f"run_id = '{runs['a']}'",
        "!=": f"attributes.run_id != '{runs['a']}'",
        "IN": f"run_id IN ('{runs['a']}', '{runs['c']}')",
        "NOT IN": f"run_id NOT IN ('{runs['a']}','{runs['c']}')",
        "unknown": "run_id IN ('x')",
        "artifact_uri": f"artifact_uri LIKE '%{runs['b']}%'",
    }
    names = found(s, *clauses.values())
    return {name: names[clause] for name, clause in clauses.items()}


@step()
def attributes_refused(s: Session) -> Any:
    return found(
        s, "run_name > 'a'", "status IN ('FINISHED')", "start_time = '1000'",
        "start_time LIKE '1'", "Run_Name = 'a'",
        "attributes.no = 'a'", "Attributes.status = 'a'", "lifecycle_stage = 'active'",
        "run_id IN ()", "run_id IN (1)",
    )  # fmt: skip


@step()
def datasets(s: Session) -> Any:
    return found(
        s, "dataset.name = 'train'", "datasets.name LIKE 'tr%'", "dataset.name ILIKE 'TR%'",
        "dataset.digest = 'd1'",
        "dataset.context = 'training'", "dataset.name IN ('train', 'x')",
        "dataset.digest != 'd1'", "dataset.name NOT IN ('x')",
        "dataset.context LIKE 'T%'",
    )  # fmt: skip


@step()
def datasets_refused(s: Session) -> Any:
    return found(s, "dataset.name > 'a'", "dataset.no = 'a'", "dataset.name = 1")


@step()
def clauses_joined(s: Session) -> Any:
    return found(
        s, "metrics.loss > 0 AND params.opt LIKE '%dam' and status = 'FINISHED'",
        "metrics.loss > 0 AND metrics.loss < 0.2", "tags.t LIKE 'x%' AND tags.t LIKE '%zy'",
        "AND run_name = 'a' AND",
        "params.opt = 'adam' AND params.a.b.c = '1'", "", "metrics.loss>0.2",
        "  run_name   =   'a'  ",
        "metrics.loss > 0 and dataset.name = 'train'",
    )  # fmt: skip


@step()
def grammar_refused(s: Session) -> Any:
    return found(
        s, " ", "NOT run_name = 'a'", "(run_name = 'a')", "start_time BETWEEN 1 AND 2",
        "run_name = 'a'; DROP TABLE runs", "run_name", "run_name =", "= 'a'", "run_name = 'a",
        "run_name = 'a' --",
        "things.a = 'b'", "run_name = run_name",
    )  # fmt: skip


@step()
def alternatives(s: Session) -> Any:
    """MLflow refuses OR; a server may allow it, and then it means what it does in SQL."""
    names = found(s, "run_name = 'a' OR run_name = 'b'")
    return ["a", "b"] in names.values() or names
