"""PostgreSQL for root and for ordinary users (root only: these tests change users)."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from service.stores.embedded import PostgresEngine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become others")
Query = Callable[[str, str], list[str]]
NOBODY = 65534
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")
WITHOUT_NAMESPACES = """
import ctypes, struct, sys
from pathlib import Path
from service.stores.embedded import EngineFailed, PostgresEngine
# Like a container: a seccomp filter that answers unshare (272 on x86_64) with EPERM.
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


class Spawn(Protocol):
    def __call__(
        self, folder: Path, *, code: str, command: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]: ...


def test_root_runs_in_a_folder_only_root_may_enter(tmp_path: Path, query: Query) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    engine = PostgresEngine(closed / "postgres")
    engine.start()
    try:
        assert query(engine.url, "SELECT 1") == ["1"]
        assert engine.data.stat().st_uid == 0
    finally:
        engine.stop()


def test_where_namespaces_are_forbidden_nobody_takes_over_and_keeps_the_data(
    tmp_path: Path, spawn: Spawn, query: Query
) -> None:
    engine = PostgresEngine(tmp_path / "postgres")
    engine.start()
    query(engine.url, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7);")
    engine.stop()
    for _ in range(2):
        assert _said(spawn(engine.folder, code=WITHOUT_NAMESPACES)) == (
            f"runs as {NOBODY} on files of {NOBODY}\n"
        )
    engine.start()
    try:
        assert query(engine.url, "SELECT n FROM kept") == ["7"]
    finally:
        engine.stop()


def test_where_nobody_runs_on_new_files_too(tmp_path: Path, spawn: Spawn) -> None:
    said = _said(spawn(tmp_path / "postgres", code=WITHOUT_NAMESPACES))
    assert said == f"runs as {NOBODY} on files of {NOBODY}\n"


def test_where_root_may_not_become_anybody_it_is_told_so(tmp_path: Path, spawn: Spawn) -> None:
    prison = ("setpriv", "--bounding-set=-setuid", sys.executable)
    said = _said(spawn(tmp_path / "postgres", code=WITHOUT_NAMESPACES, command=prison))
    assert "run as an ordinary user" in said
    assert "no user namespace" in said


def test_an_ordinary_user_runs_both_engines(spawn: Spawn) -> None:
    with tempfile.TemporaryDirectory() as place:  # tmp_path lies in a folder of root's
        os.chown(place, NOBODY, NOBODY)
        command = (*AS_NOBODY, _interpreter_for_nobody())
        said = _said(spawn(Path(place), code=AS_ORDINARY_USER, command=command))
    assert said == f"ready as {NOBODY}\n"


def _interpreter_for_nobody() -> str:
    """Ours, or one of the same version, if ours lies in root's home."""
    same = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin:/usr/local/bin")
    path = {"PYTHONPATH": os.pathsep.join(sys.path[1:])}
    for interpreter in filter(None, (sys.executable, same)):
        nested = f"import pymongo, subprocess; subprocess.check_call([{interpreter!r}, '-V'])"
        probe = [*AS_NOBODY, interpreter, "-c", nested]
        if subprocess.run(probe, env=path, capture_output=True, check=False).returncode == 0:
            return interpreter
    pytest.skip("no interpreter that an ordinary user may run")


def _said(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output
