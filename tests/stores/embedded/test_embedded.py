"""Both engines together: durable data, one process at a time, URLs for other processes."""

import subprocess
import sys
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
from tests.stores.embedded.probes import processes_in, query

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("embedded_mongo")]
PRIVILEGES = "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"


def test_embedded_stores_second_start_has_same_data_and_ports(memory_path: Path) -> None:
    lines: list[str] = []
    with embedded_stores(memory_path, on_progress=lines.append) as first:
        query(first.database_url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7);")
        assert query(first.database_url, PRIVILEGES) == ["f|t"]
        client: MongoClient[dict[str, Any]] = MongoClient(first.mongodb_url)
        with client:
            client.polystore.kept.insert_one({"n": 7})
    with embedded_stores(memory_path, on_progress=lines.append) as second:
        assert second == first
        assert query(second.database_url, "SELECT n FROM kept") == ["7"]
        client = MongoClient(second.mongodb_url)
        with client:
            assert client.polystore.kept.count_documents({"n": 7}) == 1
            client.polystore_test_gw0.anything.insert_one({})
            client.drop_database("polystore_test_gw0")
        _assert_private(memory_path)
    assert sum("first start" in line for line in lines) == 1
    assert sum("ready on 127.0.0.1:" in line for line in lines) == 4


def test_embedded_stores_folder_in_use_is_refused_and_urls_are_shared(data_dir: Path) -> None:
    assert running_stores(data_dir) is None
    with embedded_stores(data_dir) as urls:
        with pytest.raises(DataFolderInUse, match="in use by process"), embedded_stores(data_dir):
            pass
        assert _running_stores_elsewhere(data_dir) == repr(urls)
        assert running_stores(data_dir) == urls
    assert running_stores(data_dir) is None
    assert _running_stores_elsewhere(data_dir) == "None"


def test_embedded_stores_one_engine_fails_other_stops_with_log(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.stores.embedded.mongo.OPLOG_MB", "a lot")
    failed = pytest.raises(EngineFailed, match="MongoDB ended with exit code")
    with failed as failure, embedded_stores(data_dir):
        pass
    assert str(data_dir / "mongodb" / "log") in str(failure.value)
    assert "oplogSize" in str(failure.value)
    assert processes_in(data_dir) == []
    assert running_stores(data_dir) is None


def _running_stores_elsewhere(folder: Path) -> str:
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
            assert mode & 0o077 == 0, f"{path} is open to other users: {mode:o}"
    secret_files = ["running.json", "mongodb/keyfile", "mongodb/password", "postgres/password"]
    for name in secret_files:
        assert S_IMODE((folder / name).stat().st_mode) == 0o600
