"""The README is true where a machine can tell."""

import re
from pathlib import Path

from fastapi import FastAPI

from service.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PLAIN = {"database_url", "mongodb_url", "reporting_database_url", "host", "port"}


def settings_table() -> str:
    """The rows of the README's table, as the settings describe themselves."""
    rows = []
    for name, field in Settings.model_fields.items():
        variable = name.upper() if name in PLAIN else f"POLYSTORE_{name.upper()}"
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{variable}` | {default} | {field.description} |")
    return "\n".join(rows)


def test_the_settings_table_is_what_the_settings_say() -> None:
    assert settings_table() in README


def test_every_address_in_the_readme_exists(app: FastAPI) -> None:
    paths = [re.sub(r"\{\w+\}", "*", path) for path in app.openapi()["paths"]]
    for path in re.findall(r"(?:POST|GET|PUT|PATCH|DELETE) (/v1/[\w/{}]+)", README):
        assert re.sub(r"\{\w+\}", "*", path) in paths, path


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_every_file_in_the_readme_exists() -> None:
    named = re.findall(r"`((?:service|mongo_indexes|sql_migrations|tests)/[\w/.]+)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
