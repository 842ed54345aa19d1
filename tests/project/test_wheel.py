"""The wheel: it holds all that the commands need, so that they work without the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys, setuptools.build_meta as build; build.build_wheel(sys.argv[1])"
TRAFFIC = (
    "import service.cli.demo.traffic as traffic; events, labels = traffic.make_traffic(); "
    "print(traffic.__file__, len(events))"
)


@pytest.mark.image
def test_wheel_holds_the_data_of_the_demo(tmp_path: Path) -> None:
    """The wheel is imported as it is, from a folder that holds nothing else."""
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("service", "mongo_indexes", "sql_migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wheels.mkdir()
    subprocess.run(
        [sys.executable, "-c", BUILD, str(wheels)], cwd=source, check=True, capture_output=True
    )
    (wheel,) = wheels.glob("*.whl")
    result = subprocess.run(
        [sys.executable, "-c", TRAFFIC],
        cwd=wheels,
        env={"PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == [f"{wheel}/service/cli/demo/traffic.py", "2000"]
