"""Rules for the text of the project."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = {
    "service", "sql_migrations", "mongo_indexes", "tests", "benchmarks", "compose.yaml",
    "pyproject.toml", "README.md", "Makefile", "requirements.lock", "requirements-dev.lock",
    "LICENSE", "docs", "client", "CHANGELOG.md",
}  # fmt: skip
MOST_LINES = 250


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def sources(*folders: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in folders]


def test_top_level_has_only_known_entries() -> None:
    top = {path.parts[0] for path in tracked()}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_file_is_too_long() -> None:
    long = {
        str(path): count
        for path in sources("service", "mongo_indexes", "sql_migrations", "benchmarks")
        if (count := len((ROOT / path).read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_only_sql_ends_a_transaction() -> None:
    found = [
        str(path)
        for path in sources("service")
        if ".commit(" in (ROOT / path).read_text() and path != Path("service/stores/sql/engine.py")
    ]
    assert found == []


def test_only_the_settings_read_the_environment() -> None:
    reads = re.compile(r"os\.environ|getenv")
    found = [
        str(path)
        for path in sources("service")
        if not path.is_relative_to("service/settings")
        and "embedded" not in path.parts  # hands it on to the engines
        and reads.search((ROOT / path).read_text())
    ]
    assert found == []


def test_every_package_has_a_docstring() -> None:
    for path in sources("service", "mongo_indexes"):
        if path.name == "__init__.py":
            assert (ROOT / path).read_text().startswith('"""'), path


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils.py", "helpers.py", "constants.py", "deps.py", "services.py", "models.py"}
    assert [path for path in sources("service", "mongo_indexes") if path.name in vague] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_name_no_host(name: str) -> None:
    assert "://" not in (ROOT / name).read_text()


def test_each_locked_version_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    versions = re.findall(r"^\S+==.*\n(.*)", text, re.MULTILINE)
    assert len(versions) > 20
    assert all("--hash=sha256:" in following for following in versions)


def test_field_errors_are_made_by_one_function() -> None:
    """It replaces what UTF-8 cannot encode, and cuts what is long."""
    call = re.compile(r"(?<!class )\bFieldError\(")
    makers = [path.name for path in sources("service") if call.search((ROOT / path).read_text())]
    assert makers == ["errors.py"]
