"""One name of the database for `python -m mongo_indexes`, `polystore` and the service."""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.database import Database
from typer.testing import CliRunner, Result

from mongo_indexes.__main__ import app
from mongo_indexes.database_name import VARIABLE, BadMongoUrl, find_database_name
from service.settings import Settings
from service.stores.mongo.client import database_name, open_mongo
from tests.fixtures.cli import run_cli

Data = Database[dict[str, Any]]
RunCommand = Callable[..., Result]

ROOT = Path(__file__).parents[2]
# The pieces of the password are pw1, pw2 and pw3, or a port.
MALFORMED = [
    "mongodb://u:pw1@pw2/pw3#rd@host/db",
    "mongodb://u:pw1@pw2/pw3@host",
    "mongodb://u:pw1/pw2@host/db",
    "mongodb://u:4711/pw2@host",
    "mongodb://u:4711?pw2=pw3@host/db",
    "mongodb://u:pw1@pw2?pw3=x@host/db",
    "mongodb://u:pw1@pw2/?pw3=x@host/db",
    "mongodb+srv://u:pw1@pw2/pw3@host.example",
    "mongodb://u:pw1:pw2@host/db",
    "mongodb://u:pw1%pw2@host/db",
    "mongodb://u:pw1@pw2@host/db",
    "mongodb://host/pw1 pw2",
    "pw1",
    "",
]


def of_index_manager(*arguments: str, **environment: str | None) -> Result:
    """Run `python -m mongo_indexes` in this process."""
    unset = {"MONGODB_URL": None, VARIABLE: None}
    return CliRunner().invoke(app, arguments, env={**unset, **environment})


def of_polystore(*arguments: str, **environment: str) -> Result:
    """Run `polystore indexes` in this process."""
    return run_cli("indexes", *arguments, **environment)


both = pytest.mark.parametrize("run", [of_index_manager, of_polystore])


@pytest.mark.parametrize(
    ("url", "explicit", "name"),
    [
        ("mongodb://host/", None, "polystore"),
        ("mongodb://host", None, "polystore"),
        ("mongodb://host?tls=true", None, "polystore"),
        ("mongodb://host/shop", None, "shop"),
        ("mongodb://host/shop", "explicit", "explicit"),
        ("mongodb://host/sh%C3%B6p", None, "shöp"),
        ("mongodb://u:p%40ss%2Fw%23rd@a:1,b:2/shop?replicaSet=rs0&srvMaxHosts=1", None, "shop"),
        ("mongodb://u:p#w@host/shop", None, "shop"),
        # No name server knows it, and none is asked.
        ("mongodb+srv://u:pw@cluster.invalid/shop?srvServiceName=x", None, "shop"),
        ("mongodb+srv://cluster.invalid", None, "polystore"),
    ],
)
def test_database_name_is_explicit_or_the_urls_or_polystore(
    url: str, explicit: str | None, name: str
) -> None:
    assert find_database_name(url, explicit) == name
    assert database_name(url, Settings(mongodb_database=explicit)) == name


@pytest.mark.parametrize("url", MALFORMED)
@pytest.mark.parametrize("explicit", ["shop", None])
def test_database_name_of_malformed_url_is_refused(url: str, explicit: str | None) -> None:
    with pytest.raises(BadMongoUrl) as refused:
        find_database_name(url, explicit)
    assert_no_piece(str(refused.value))


@both
@pytest.mark.parametrize(
    ("option", "variable", "in_url", "name"),
    [
        ("option", "variable", "url", "option"),
        (None, "variable", "url", "variable"),
        (None, "", "url", "url"),
        (None, None, "url", "url"),
        (None, None, "", "polystore"),
    ],
)
def test_plan_takes_option_then_variable_then_url_then_default(
    run: RunCommand,
    database: Data,
    mongodb_url: str,
    option: str | None,
    variable: str | None,
    in_url: str,
    name: str,
) -> None:
    unused = database.name.removeprefix("polystore_test_")  # no database of that name exists
    names = {"option": f"{unused}_o", "variable": f"{unused}_v", "url": f"{unused}_u", "": ""}
    arguments = ["--database", names[option]] if option else []
    environment = {"MONGODB_URL": with_database(mongodb_url, names[in_url])}
    if variable is not None:
        environment[VARIABLE] = names[variable]
    result = run("plan", "--json", *arguments, **environment)
    assert result.exit_code == 0
    assert json.loads(result.stdout)["database"] == names.get(name, name)


def test_apply_uses_the_variable_in_a_process_of_its_own(database: Data, mongodb_url: str) -> None:
    environment = {"MONGODB_URL": with_database(mongodb_url, ""), VARIABLE: database.name}
    command = [sys.executable, "-m", "mongo_indexes", "apply", "--yes", "--only", "items"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "items" in database.list_collection_names()


@both
@pytest.mark.parametrize("name", ["", "a b", "a.b", "a/b", "$a", "x" * 64, "ö" * 32])
@pytest.mark.parametrize("command", [("plan",), ("check",), ("apply", "--yes")])
def test_command_with_name_that_mongodb_refuses_is_refused(
    run: RunCommand, mongodb_url: str, name: str, command: tuple[str, ...]
) -> None:
    result = run(*command, "--database", name, MONGODB_URL=mongodb_url)
    assert (result.exit_code, result.stdout) == (3, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"MongoDB refuses {name!r} as the name of a database: ")


def test_apply_name_of_another_case_is_refused(database: Data, mongodb_url: str) -> None:
    database.planted.insert_one({})
    other = database.name.upper()
    result = of_index_manager("apply", "--yes", "--database", other, MONGODB_URL=mongodb_url)
    assert result.exit_code == 3
    assert f"MongoDB refuses {other!r}" in result.stderr


@both
@pytest.mark.parametrize("json_option", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("command", [("plan",), ("check",), ("apply", "--yes")])
@pytest.mark.parametrize("url", MALFORMED[:-2])
def test_command_with_malformed_url_shows_no_piece_of_it(
    run: RunCommand, url: str, command: tuple[str, ...], json_option: tuple[str, ...]
) -> None:
    result = run(*command, *json_option, MONGODB_URL=url, **{VARIABLE: "shop"})
    assert result.exit_code == 3
    assert "not a MongoDB URL" in result.output
    assert_no_piece(result.output)


@both
@pytest.mark.parametrize(
    "url",
    [
        "mongodb://u:pw1@a,b/shop?directConnection=true",
        "mongodb://u:pw1@a/shop?srvMaxHosts=1",
        "mongodb+srv://u:pw1@a.invalid,b.invalid/shop",
        "mongodb+srv://u:pw1@a.invalid:1/shop",
    ],
)
def test_plan_with_url_that_the_driver_refuses_is_refused(run: RunCommand, url: str) -> None:
    result = run("plan", MONGODB_URL=url)
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert_no_piece(result.output)


@pytest.mark.parametrize("command", [("doctor",), ("retention", "plan")], ids=" ".join)
@pytest.mark.parametrize("url", MALFORMED[:-2])
def test_polystore_with_malformed_url_shows_no_piece_of_it(
    command: tuple[str, ...], url: str
) -> None:
    settings = {"DATABASE_URL": "postgresql://127.0.0.1:1/x", "MONGODB_URL": url}
    result = run_cli(*command, **settings, **{VARIABLE: "shop"})
    assert result.exit_code != 0
    assert_no_piece(f"{result.output}{result.exception}")


@pytest.mark.parametrize("url", MALFORMED[:-2])
async def test_open_mongo_with_malformed_url_shows_no_piece_of_it(url: str) -> None:
    settings = Settings(mongodb_url=SecretStr(url), mongodb_database="shop")
    with pytest.raises(BadMongoUrl) as refused:
        async with open_mongo(settings):
            pass
    assert_no_piece("".join(traceback.format_exception(refused.value)))


def with_database(url: str, name: str) -> str:
    """Return the URL with this name in the place of the database."""
    before, question_mark, options = url.partition("?")
    scheme, _, rest = before.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}/{name}{question_mark}{options}"


def assert_no_piece(text: str) -> None:
    assert [piece for piece in ("pw1", "pw2", "pw3", "4711") if piece in text] == []
