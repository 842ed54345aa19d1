"""The plan is right before anything is sent, or a sentence names the remedy."""

from pathlib import Path
from typing import Any

import pytest

from service.cli.load.mapping import Plan, Wanted, make_plan
from service.cli.load.rows import open_source
from service.cli.load.times import Times, Unit
from tests.fixtures.cli import run_cli

UUID = "01930d6e-7a00-7000-8000-000000000001"


def plan_of(folder: Path, text: str, **columns: str) -> Plan:
    path = folder / "a.csv"
    path.write_text(text)
    with open_source(path, None, None, "utf-8") as source:
        return make_plan(Wanted(columns), source, list(source.rows))


def run(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Load a file where no service is."""
    path = folder / "a.csv"
    path.write_text(text)
    common = ("--model", "a", "--version", "1", "--url", "http://127.0.0.1:9")
    result = run_cli("load", str(path), *common, *options, POLYSTORE_TOKEN="any")
    return result.exit_code, " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("header", "cell", "field"),
    [
        ("prediction_id", UUID, "prediction_id"),
        ("ID", UUID, "prediction_id"),
        ("Event Time", "2026-01-01", "timestamp"),
        ("ts", "1767261600", "timestamp"),
        ("Y_True", "yes", "label"),
        ("y_pred", "yes", "output.label"),
        ("prediction", "1.0", "output.label"),
        ("prediction", "1.5", "output.value"),
        ("predicted.proba", "0.5", "output.score"),
        ("user_id", "u-1", "user_id"),
        ("latency_ms", "4", "latency_ms"),
    ],
)
def test_guess_takes_the_column_by_its_name(
    header: str, cell: str, field: str, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, f"{header},x\n{cell},1\n,2\n")
    assert plan.fields == {field: header}
    assert plan.features == ["x"]


@pytest.mark.parametrize(
    ("header", "cell"),
    [("id", "17"), ("time", "noon"), ("score", "high"), ("features", "x"), ("label", "")],
)
def test_guess_leaves_a_column_whose_values_do_not_fit(
    header: str, cell: str, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, f"{header},x\n{cell},1\n")
    assert (plan.fields, plan.features) == ({}, [header, "x"])


def test_guess_can_be_switched_off(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "label,score\n1,0.5\n", label="")
    assert (plan.fields, plan.features) == ({"output.score": "score"}, ["label"])


def test_guess_takes_no_column_that_an_option_names(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "y_pred,target\n1,2\n", label="y_pred")
    assert (plan.fields, plan.features) == ({"label": "y_pred"}, ["target"])


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("age\n1\n", (), "name its column with --timestamp"),
        ("time\n2026-01-01 10:00\n", (), "'time' need --time-zone UTC"),
        ("time\n1767261600\n", (), "'time' need --time-unit"),
        ("age\n1\n", ("--label", "agee"), "no column 'agee', but 'age'"),
        ("age\n1\n", ("--at", "2026-01-01"), "no time with an offset"),
        ("age\n1\n", ("--time-zone", "Mars"), "no zone"),
        ("age\n1\n", ("--encoding", "x"), "not known"),
        ("age\n1\n", ("--encoding", "rot13"), "not known"),
        ("age\n1\n", ("--delimiter", ";;"), "not one character"),
        ("age\n1\n", ("--field", "latency_ms"), "FIELD=COLUMN"),
    ],
)
def test_load_without_what_it_needs_names_the_option(
    text: str, options: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    exit_code, output = run(tmp_path, text, *options)
    assert (exit_code, sentence in output) == (5, True), output


def test_load_without_terminal_shows_the_plan_and_sends_nothing(tmp_path: Path) -> None:
    exit_code, output = run(tmp_path, ",age\n0,1\n", "--at", "2026-01-01T00:00:00Z")
    assert exit_code == 3
    assert "features 'age' (number) left out (no name)" in output
    assert "--yes" in output


def test_load_without_service_names_the_remedy(tmp_path: Path) -> None:
    exit_code, output = run(tmp_path, "age\n1\n", "--at", "2026-01-01T00:00:00Z", "--yes")
    assert exit_code == 5
    assert "No service responds at http://127.0.0.1:9" in output


@pytest.mark.parametrize(
    ("times", "value", "expected"),
    [
        (Times(), "2026-01-01T10:00:00Z", "2026-01-01T10:00:00+00:00"),
        (Times(), "2026-01-01 10:00+0200", "2026-01-01T10:00:00+02:00"),
        (Times(), "2026-01-01 10:00", "2026-01-01 10:00"),
        (Times(unit=Unit.SECONDS), 1767261600, "2026-01-01T10:00:00+00:00"),
        (Times(unit=Unit.SECONDS), "1767261600.25", "2026-01-01T10:00:00.250000+00:00"),
        (Times(unit=Unit.MILLISECONDS), 1767261600123, "2026-01-01T10:00:00.123000+00:00"),
        (Times(unit=Unit.NANOSECONDS), 1767261600123456789, "2026-01-01T10:00:00.123456+00:00"),
        (Times(unit=Unit.SECONDS), 10**30, 10**30),
        (Times(), "noon", "noon"),
        (Times(), None, None),
    ],
)
def test_times_are_read_with_their_zone_and_unit(times: Times, value: Any, expected: Any) -> None:
    assert times.read(value) == expected
