"""PostgreSQL 18 from a wheel, in a folder of its own, for one machine and its developer."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from service.stores.embedded.binaries import POSTGRES_PROGRAMS, find_binaries, runnable
from service.stores.embedded.data_dir import kept_secret, sync_folder
from service.stores.embedded.engine import Engine
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.os_user import Account, choose_account
from service.stores.embedded.supervisor import Spec

MAX_CONNECTIONS = 200
LOGIN_SECONDS = 10


class PostgresEngine(Engine):
    """PostgreSQL with a database ``polystore`` that belongs to the role ``polystore``.

    The role is no superuser. It may create databases (the tests make one per worker). Acknowledged
    writes are durable: ``fsync`` and ``synchronous_commit`` stay on.
    """

    name = "PostgreSQL"
    # Fast shutdown, then immediate: both end the backends too.
    stop_signals: ClassVar = [(signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0)]
    orphan_signal = signal.SIGQUIT

    @property
    def data(self) -> Path:
        """The cluster; it appears there whole, by a rename."""
        return self.folder / "data"

    @property
    @override
    def url(self) -> str:
        """SQLAlchemy's URL for asyncpg."""
        return f"postgresql+asyncpg://polystore:{self.password}@127.0.0.1:{self.port}/polystore"

    @override
    def _prepare(self) -> None:
        root = find_binaries().postgres
        self._root = runnable(root, POSTGRES_PROGRAMS, self.folder)
        found, self._account = choose_account(self.data, self._runs_as)
        if not found:
            raise self._failed(
                "refuses to run as root, and neither a user namespace nor the user 'nobody' is "
                "possible here: run as an ordinary user"
            )
        for half_made in self.folder.glob("data.new-*"):
            # A killed initdb may still be ending in there; then the next start removes the rest.
            shutil.rmtree(half_made, ignore_errors=True)
        if not self.data.exists():
            self._tell("PostgreSQL: creating the database (first start)")
            self._create(self.folder / f"data.new-{secrets.token_hex(4)}")

    def _create(self, data: Path) -> None:
        """Make the cluster, the role and the database beside their place, then move them there."""
        kept_secret(self.folder / "superuser_password")
        self._must_run(
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
        # Single-user mode: no port is open before the role has its password.
        self._must_run(
            [
                self._program("postgres"),
                "--single",
                *("-c", "exit_on_error=on"),
                *("-c", "log_checkpoints=off"),
                *("-c", "log_min_error_statement=panic"),  # the statement has the password
                *("-D", str(data)),
                "postgres",
            ],
            f"CREATE ROLE polystore LOGIN CREATEDB PASSWORD '{self.password}';\n"
            "CREATE DATABASE polystore OWNER polystore;\n",
        )
        data.rename(self.data)
        sync_folder(self.folder)

    @override
    def _spec(self) -> Spec:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": MAX_CONNECTIONS,
            "password_encryption": "scram-sha-256",
            "synchronous_commit": "on",
            "deadlock_timeout": "200ms",  # before lock_timeout: so it is told as one and retried
            "log_checkpoints": "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", str(self.data), *options]
        spec = self._make_spec(command, self.data, self._account)
        if sys.platform == "linux":
            # The guard has made sure that nothing of ours runs here. PostgreSQL itself would take
            # any process that now has the old number (in a container: often) for its former self.
            spec["stale"] = [str(self.data / "postmaster.pid")]
        return spec

    @override
    def _settle(self) -> bool:
        if not self._says_ready():
            return False
        try:
            self.version = self._log_in()
        except subprocess.TimeoutExpired:
            return False  # our caller asks again, up to its own limit
        return True

    def _says_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _log_in(self) -> str:
        """Log in as clients will, and return the server's version."""
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
                f"Its password is kept in {self.folder / 'password'}. Put the file back as it was "
                f"when {self.data} was made, or move {self.folder} away to begin anew."
            )
        return login.stdout.strip()

    def _program(self, name: str) -> str:
        return str(self._root / "bin" / name)

    def _runs_as(self, account: Account) -> bool:
        return self._run_once([self._program("postgres"), "--version"], account) == 0

    def _must_run(self, command: list[str], feed: str = "") -> None:
        code = self._run_once(command, self._account, feed)
        if code != 0:
            raise self._failed(f"could not be prepared: {Path(command[0]).name} ended with {code}")
