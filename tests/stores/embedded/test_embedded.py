"""The two engines together: data kept, one user at a time, what other processes can see."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
from pymongo import MongoClient

from service.stores.embedded import (
    DataFolderInUse,
    EngineFailed,
    embedded_stores,
    running_stores,
)

Query = Callable[[str, str], list[str]]
MAY = "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"


def test_data_survives_a_second_start_on_the_same_ports(tmp_path: Path, query: Query) -> None:
    said: list[str] = []
    with embedded_stores(tmp_path, tell=said.append) as first:
        query(first.database_url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7);")
        assert query(first.database_url, MAY) == ["f|t"]
        client: MongoClient[dict[str, Any]] = MongoClient(first.mongodb_url)
        with client:
            client.polystore.kept.insert_one({"n": 7})
    with embedded_stores(tmp_path, tell=said.append) as second:
        assert second == first
        assert query(second.database_url, "SELECT n FROM kept") == ["7"]
        client = MongoClient(second.mongodb_url)
        with client:
            assert client.polystore.kept.count_documents({"n": 7}) == 1
            client.polystore_test_gw0.anything.insert_one({})
            client.drop_database("polystore_test_gw0")
        _assert_private(tmp_path)
    assert sum("first start" in line for line in said) == 1
    assert sum("ready on 127.0.0.1:" in line for line in said) == 4


def test_a_second_user_of_the_folder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    assert running_stores(tmp_path) is None
    with embedded_stores(tmp_path) as urls:
        with pytest.raises(DataFolderInUse, match="in use by process"), embedded_stores(tmp_path):
            pass
        assert _seen_by_another_process(tmp_path) == repr(urls)
        assert running_stores(tmp_path) == urls
    assert running_stores(tmp_path) is None
    assert _seen_by_another_process(tmp_path) == "None"


def test_when_one_engine_fails_the_other_is_stopped_and_the_log_is_shown(
    tmp_path: Path, working_in: Callable[[Path], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.stores.embedded.mongo.OPLOG_MB", "a lot")
    refused = pytest.raises(EngineFailed, match="MongoDB ended with exit code")
    with refused as failure, embedded_stores(tmp_path):
        pass
    assert str(tmp_path / "mongodb" / "log") in str(failure.value)
    assert "oplogSize" in str(failure.value)
    assert working_in(tmp_path) == []
    assert running_stores(tmp_path) is None


def _seen_by_another_process(folder: Path) -> str:
    code = (
        "import sys; from pathlib import Path; from service.stores.embedded import running_stores;"
        "print(repr(running_stores(Path(sys.argv[1]))))"
    )
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def _assert_private(folder: Path) -> None:
    assert S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # the engines are running, and may have removed it
            mode = S_IMODE(path.stat().st_mode)
            assert mode & 0o077 == 0, f"{path} is open to others: {mode:o}"
    secret_files = ["running.json", "mongodb/keyfile", "mongodb/password", "postgres/password"]
    for name in secret_files:
        assert S_IMODE((folder / name).stat().st_mode) == 0o600
