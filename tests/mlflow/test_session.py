"""People's own client gets from us what MLflow's server gave it, or what is right instead."""

import os
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.mlflow.conftest import Server
from tests.mlflow.recording import Step, differences, read, recorded

pytestmark = pytest.mark.xdist_group("mlflow")
whole = pytest.mark.generators  # a minute of CPU time
ROOT = Path(__file__).parents[2]
FEWEST_STEPS = 150  # of a client before 3; others know more
AREAS = sorted({step.area for step in recorded()})


@pytest.fixture(scope="module")
def session(
    mlflow_server: Server, mlflow_python: str, tmp_path_factory: pytest.TempPathFactory
) -> list[Step]:
    """The steps of all areas as they returned."""
    return _run(mlflow_server, mlflow_python, tmp_path_factory.mktemp("session"))


def _run(server: Server, python: str, folder: Path, *areas: str) -> list[Step]:
    """Return the steps as they returned to a client in an interpreter of its own."""
    done = subprocess.run(
        [python, "-m", "tests.mlflow.session", str(folder / "steps.json"), *areas],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),  # without credentials of the developer
            "MLFLOW_TRACKING_URI": server.url,
            "MLFLOW_TRACKING_TOKEN": server.token,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return read(folder / "steps.json")


def _wrong(session: list[Step], area: str) -> list[str]:
    expected = {step.step: step.value for step in recorded() if step.area == area}
    found: dict[str, list[str]] = defaultdict(list)
    for step in session:
        if step.area == area:
            found[step.step] += differences(expected[step.step], step.value)
    return [f"{name} {line}" for name, lines in found.items() for line in lines]


@pytest.mark.slow
def test_fluent_calls_agree_with_the_recording(
    mlflow_server: Server, mlflow_python: str, tmp_path: Path
) -> None:
    session = _run(mlflow_server, mlflow_python, tmp_path, "fluent")
    assert session
    assert not _wrong(session, "fluent")


@whole
def test_session_has_all_steps(session: list[Step]) -> None:
    assert len(session) >= FEWEST_STEPS
    known = {step[:2] for step in recorded()}
    assert {step[:2] for step in session} <= known


@whole
@pytest.mark.parametrize("area", AREAS)
def test_session_agrees_with_the_recording(session: list[Step], area: str) -> None:
    wrong = _wrong(session, area)
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("expected", "found"),
    [(1, 2), ([1], [1, 2]), ({"a": 1}, {}), (1, True), (None, []), ({"a": [1]}, {"a": ["1"]})],
)
def test_difference_of_two_values_is_named(expected: object, found: object) -> None:
    assert len(list(differences(expected, found))) == 1
    assert list(differences(expected, expected)) == []
