"""PostgreSQL 18 from a wheel, in its own folder, for one machine and its developer."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from service.stores.embedded.binaries import POSTGRES_PROGRAMS, ensure_executable, find_binaries
from service.stores.embedded.data_dir import stored_secret, sync_folder
from service.stores.embedded.engine import Engine
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.os_user import OsUser, choose_os_user
from service.stores.embedded.supervisor import ProcessSpec

MAX_CONNECTIONS = 200
LOGIN_SECONDS = 10


class PostgresEngine(Engine):
    """PostgreSQL with a database ``polystore`` that belongs to the role ``polystore``.

    The role is no superuser. It may create databases, because the tests make one per worker.
    Acknowledged writes are durable: ``fsync`` and ``synchronous_commit`` stay on.
    """

    name = "PostgreSQL"
    # Fast shutdown, then immediate shutdown; both end the backends too.
    stop_signals: ClassVar = [(signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0)]
    orphan_signal = signal.SIGQUIT

    @property
    def data(self) -> Path:
        """The cluster's files; a rename puts them there when they are complete."""
        return self.folder / "data"

    @property
    @override
    def url(self) -> str:
        """The URL for SQLAlchemy with asyncpg."""
        return f"postgresql+asyncpg://polystore:{self.password}@127.0.0.1:{self.port}/polystore"

    @override
    def _prepare(self) -> None:
        root = find_binaries().postgres
        self._root = ensure_executable(root, POSTGRES_PROGRAMS, self.folder)
        works, self._os_user = choose_os_user(self.data, self._runs_as)
        if not works:
            raise self._failed(
                "refuses to run as root, and neither a user namespace nor the user 'nobody' is "
                "possible here; run as an ordinary user"
            )
        for incomplete in self.folder.glob("data.new-*"):
            # A killed initdb may still write here; then the next start removes the rest.
            shutil.rmtree(incomplete, ignore_errors=True)
        if not self.data.exists():
            self._on_progress("PostgreSQL: creating the database (first start)")
            self._create(self.folder / f"data.new-{secrets.token_hex(4)}")

    def _create(self, data: Path) -> None:
        """Create the cluster, the role and the database in ``data``, then rename it."""
        stored_secret(self.folder / "superuser_password")
        self._run_or_fail(
            [
                self._program("initdb"),
                f"--pgdata={data}",
                "--username=postgres",
                "--auth=scram-sha-256",
                f"--pwfile={self.folder / 'superuser_password'}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
            ]
        )
        # Single-user mode, because no port may be open before the role has its password.
        self._run_or_fail(
            [
                self._program("postgres"),
                "--single",
                *("-c", "exit_on_error=on"),
                *("-c", "log_checkpoints=off"),
                *("-c", "log_min_error_statement=panic"),  # the statement holds the password
                *("-D", str(data)),
                "postgres",
            ],
            f"CREATE ROLE polystore LOGIN CREATEDB PASSWORD '{self.password}';\n"
            "CREATE DATABASE polystore OWNER polystore;\n",
        )
        data.rename(self.data)
        sync_folder(self.folder)

    @override
    def _process_spec(self) -> ProcessSpec:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS,
            "password_encryption": "scram-sha-256",
            "synchronous_commit": "on",
            "deadlock_timeout": "200ms",  # below lock_timeout, so that deadlocks are retried
            "log_checkpoints": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", str(self.data), *options]
        spec = self._make_spec(command, self.data, self._os_user)
        if sys.platform == "linux":
            # The supervisor has ended every engine here. PostgreSQL itself would take any process
            # that now has the old process id (frequent in containers) for the former server.
            spec["stale"] = [str(self.data / "postmaster.pid")]
        return spec

    @override
    def _check_ready(self) -> bool:
        if not self._reports_ready():
            return False
        try:
            self.version = self._log_in()
        except subprocess.TimeoutExpired:
            return False  # the caller tries again, up to its own limit
        return True

    def _reports_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _log_in(self) -> str:
        """Log in like a client, and return the server's version."""
        login = subprocess.run(  # noqa: S603  psql from the wheel, no shell
            [
                self._program("psql"),
                *("-XAtwc", "SHOW server_version"),
                *("-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", "polystore", "polystore"),
            ],
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            timeout=LOGIN_SECONDS,
            check=False,
        )
        if login.returncode != 0:
            raise EngineFailed(
                f"PostgreSQL runs, but the role polystore cannot log in: {login.stderr.strip()}\n"
                f"Its password is stored in {self.folder / 'password'}. Put the file back as it "
                f"was when {self.data} was made, or move {self.folder} away to start afresh."
            )
        return login.stdout.strip()

    def _program(self, name: str) -> str:
        return str(self._root / "bin" / name)

    def _runs_as(self, os_user: OsUser) -> bool:
        return self._run_once([self._program("postgres"), "--version"], os_user) == 0

    def _run_or_fail(self, command: list[str], stdin: str = "") -> None:
        code = self._run_once(command, self._os_user, stdin)
        if code != 0:
            raise self._failed(f"could not be prepared: {Path(command[0]).name} ended with {code}")
