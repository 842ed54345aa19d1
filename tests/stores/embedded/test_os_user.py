"""PostgreSQL run by root and by ordinary users. Only root can run these tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.stores.embedded import PostgresEngine
from tests.stores.embedded.conftest import MEMORY
from tests.stores.embedded.probes import Spawn, query

pytestmark = [
    pytest.mark.failover,
    pytest.mark.xdist_group("embedded_postgres"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
]
ORDINARY_UID = 65534
AS_ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")
WITHOUT_NAMESPACES = """
import ctypes, struct, sys
from pathlib import Path
from service.stores.embedded import EngineFailed, PostgresEngine
# Like a container: a seccomp filter that fails unshare (272 on x86_64) with EPERM.
rules = [(0x20, 0, 0, 0), (0x15, 0, 1, 272), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
assert ctypes.CDLL(None).prctl(22, 2, program, 0, 0) == 0
engine = PostgresEngine(Path(sys.argv[1]))
try:
    engine.start()
    print("runs as", Path(f"/proc/{engine.pid}").stat().st_uid, end=" ")
    print("on files of", engine.data.stat().st_uid)
except EngineFailed as failure:
    print(failure)
engine.stop()
"""
AS_ORDINARY_USER = """
import os, sys
from pathlib import Path
from service.stores.embedded import embedded_stores
with embedded_stores(Path(sys.argv[1])):
    print("ready as", os.getuid())
"""


def test_os_user_root_runs_in_folder_of_root(memory_path: Path) -> None:
    closed = memory_path / "closed"
    closed.mkdir(mode=0o700)
    engine = PostgresEngine(closed / "postgres")
    engine.start()
    try:
        assert query(engine.url, "SELECT 1") == ["1"]
        assert engine.data.stat().st_uid == 0
    finally:
        engine.stop()


def test_os_user_without_namespaces_keeps_data_of_the_ordinary_user(
    data_dir: Path, spawn: Spawn
) -> None:
    engine = PostgresEngine(data_dir / "postgres")
    engine.start()
    query(engine.url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7);")
    engine.stop()
    for _ in range(2):
        assert _output(spawn(engine.folder, code=WITHOUT_NAMESPACES)) == (
            f"runs as {ORDINARY_UID} on files of {ORDINARY_UID}\n"
        )
    engine.start()
    try:
        assert query(engine.url, "SELECT n FROM kept") == ["7"]
    finally:
        engine.stop()


def test_os_user_without_namespaces_creates_data_as_ordinary_user(
    memory_path: Path, spawn: Spawn
) -> None:
    output = _output(spawn(memory_path / "postgres", code=WITHOUT_NAMESPACES))
    assert output == f"runs as {ORDINARY_UID} on files of {ORDINARY_UID}\n"


def test_os_user_root_cannot_change_user_gets_error_with_remedy(
    memory_path: Path, spawn: Spawn
) -> None:
    restricted = ("setpriv", "--bounding-set=-setuid", sys.executable)
    output = _output(spawn(memory_path / "postgres", code=WITHOUT_NAMESPACES, command=restricted))
    assert "run as an ordinary user" in output
    assert "no user namespace" in output


def test_os_user_ordinary_user_runs_both_engines(memory_path: Path, spawn: Spawn) -> None:
    # Not tmp_path, because that is in a folder of root.
    parent = MEMORY if memory_path.is_relative_to(MEMORY) else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        os.chown(folder, ORDINARY_UID, ORDINARY_UID)
        command = (*AS_ORDINARY, _interpreter_for_ordinary_user())
        output = _output(spawn(Path(folder), code=AS_ORDINARY_USER, command=command))
    assert output == f"ready as {ORDINARY_UID}\n"


def _interpreter_for_ordinary_user() -> str:
    """Return this interpreter, or one of the same version if this one is in root's home."""
    same = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    path = {"PYTHONPATH": os.pathsep.join(sys.path[1:])}
    for interpreter in filter(None, (sys.executable, same)):
        nested = f"import pymongo, subprocess; subprocess.check_call([{interpreter!r}, '-V'])"
        probe = [*AS_ORDINARY, interpreter, "-c", nested]
        if subprocess.run(probe, env=path, capture_output=True, check=False).returncode == 0:
            return interpreter
    pytest.skip("no interpreter that an ordinary user may run")


def _output(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output
