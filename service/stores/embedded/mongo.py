"""A mongod from a wheel: a replica set of one node, in its own folder."""

import secrets
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern
from typing_extensions import override

from service.stores.embedded.binaries import ensure_executable, find_binaries
from service.stores.embedded.data_dir import stored_secret, write_private
from service.stores.embedded.engine import POLL_SECONDS, Engine, PortTaken
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.supervisor import ProcessSpec

OPLOG_MB = "512"
CLIENT_MS = 10_000
KEY_BYTES = 48
# Any database, because the tests make one per worker. clusterMonitor, because the index manager
# watches builds through currentOp. No role may manage users or change admin, config and local.
ROLES = ["clusterMonitor", "dbAdminAnyDatabase", "readWriteAnyDatabase"]
AUTHENTICATION_FAILED, NOT_YET_INITIALIZED = 18, 94

DURABLE = WriteConcern(w=1, j=True)
Client = MongoClient[dict[str, Any]]


class MongoEngine(Engine):
    """MongoDB as the replica set ``rs0`` of one node, with a user ``polystore``.

    The service administers it as ``__system``, the identity of a client with the key file. So no
    administrator's password can be lost, and authentication is on from the start. The localhost
    exception, by which any first client may create the first user, is off.
    """

    name = "MongoDB"
    stop_signals: ClassVar = [(signal.SIGTERM, 10.0)]
    # The journal makes this safe; stopping in order would take another second.
    orphan_signal = signal.SIGKILL

    @property
    def data(self) -> Path:
        """The database files."""
        return self.folder / "data"

    @property
    def completion_file(self) -> Path:
        """A file written when the first start is complete, before any client gets the URL.

        It holds the node's own port in the configuration of the replica set.
        """
        return self.data / "made-by-polystore"

    @property
    @override
    def url(self) -> str:
        """The URL for any driver.

        It names the replica set and not directConnection, because after a restart the node is
        briefly a secondary. A driver that knows the set waits for the primary instead of failing.
        """
        return (
            f"mongodb://polystore:{self.password}@127.0.0.1:{self.port}/polystore"
            "?authSource=admin&replicaSet=rs0"
        )

    @property
    def _key_file(self) -> Path:
        return self.folder / "keyfile"

    @override
    def _prepare(self) -> None:
        mongod = find_binaries().mongod
        self._mongod = ensure_executable(mongod.parent, (mongod.name,), self.folder) / mongod.name
        stored_secret(self._key_file, KEY_BYTES)
        self.data.mkdir(mode=0o700, exist_ok=True)

    @override
    def _launch(self) -> None:
        try:
            if self._configured_port() not in (self.port, None):
                self._change_port()
            super()._launch()
        except PortTaken:
            raise
        except EngineFailed:
            if self._stopping or self.completion_file.exists():
                raise
            # A mongod killed in its first start cannot read its own files. No client had the
            # URL, so no data is lost; the files are renamed all the same, not deleted.
            aside = self.folder / f"data.unfinished-{secrets.token_hex(4)}"
            self._on_progress(
                f"MongoDB: the first start was interrupted; starting again (old files: {aside})"
            )
            self.data.rename(aside)
            self.data.mkdir(mode=0o700)
            super()._launch()

    def _configured_port(self) -> int | None:
        """Return the port in the set's configuration: None before a first start, 0 if unsure."""
        if self.completion_file.exists():
            return int(self.completion_file.read_text("utf-8"))
        return 0 if any(self.data.iterdir()) else None

    def _change_port(self) -> None:
        """Write the new port into the set's configuration, while the node runs outside the set.

        Inside the set it would first connect to its old port. If another server listens there, it
        would wait half a minute for the response.
        """
        if self.completion_file.exists():
            write_private(self.completion_file, "0")
        spec = self._process_spec()
        option = spec["command"].index("--replSet")
        del spec["command"][option : option + 2]
        process = self._supervise(spec)
        try:
            while not self._listens():
                self._check_alive(process)
                time.sleep(POLL_SECONDS)
            with self._as_system() as client:
                address = {"members.0.host": f"127.0.0.1:{self.port}"}
                sets = client.local.get_collection("system.replset", write_concern=DURABLE)
                sets.update_one({"_id": "rs0"}, {"$set": address})
        finally:
            self._release(process)
        if self.completion_file.exists():
            write_private(self.completion_file, str(self.port))

    @override
    def _process_spec(self) -> ProcessSpec:
        parameters = {
            "enableLocalhostAuthBypass": "false",
            "diagnosticDataCollectionEnabled": "false",  # it writes 200 MB of files
        }
        options = {
            "--dbpath": str(self.data),
            "--bind_ip": "127.0.0.1",
            "--port": str(self.port),
            "--replSet": "rs0",
            "--keyFile": str(self._key_file),
            "--oplogSize": OPLOG_MB,
        }
        command = [str(self._mongod), "--noscripting", "--nounixsocket", "--quiet"]
        command += [part for option in options.items() for part in option]
        for name, value in parameters.items():
            command += ["--setParameter", f"{name}={value}"]
        return self._make_spec(command, self.data, None)

    @override
    def _check_ready(self) -> bool:
        if not self._listens():
            return False
        try:
            with self._as_system() as client:
                self._require_own(client)
                return self._elect_primary(client) and self._ensure_user(client)
        except PyMongoError:
            return False  # it has just ended or is still starting: the caller tries again

    def _require_own(self, client: Client) -> None:
        """Raise PortTaken if the mongod has another folder: a copy of this one has the same key."""
        options = client.admin.command("getCmdLineOpts")["parsed"]
        if options["storage"]["dbPath"] != str(self.data):
            raise PortTaken(f"The mongod of a copy of this folder listens on port {self.port}.")

    def _elect_primary(self, client: Client) -> bool:
        """Initiate the replica set if there is none; return whether the node is the primary."""
        if client.admin.command("hello").get("isWritablePrimary"):
            return True
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        return False

    def _ensure_user(self, client: Client) -> bool:
        """Create or update the user with this password and these roles."""
        users = client.admin.command("usersInfo", "polystore")["users"]
        if not users:
            client.admin.command("createUser", "polystore", pwd=self.password, roles=ROLES)
        elif {role["role"] for role in users[0]["roles"]} != set(ROLES) or not self._can_log_in():
            client.admin.command("updateUser", "polystore", pwd=self.password, roles=ROLES)
        self.version = client.server_info()["version"]
        if not self.completion_file.exists():
            write_private(self.completion_file, str(self.port))
        return True

    def _can_log_in(self) -> bool:
        try:
            with self._client("polystore", self.password, "admin") as client:
                client.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
        return True

    def _listens(self) -> bool:
        # A plain socket, because pymongo waits half a second after a refused connection.
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @contextmanager
    def _as_system(self) -> Iterator[Client]:
        """Connect as ``__system``.

        Raises:
            PortTaken: another mongod listens on the port, with another key file.
        """
        key = stored_secret(self._key_file, KEY_BYTES)
        try:
            with self._client("__system", key, "local") as client:
                yield client
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            raise PortTaken(f"Another mongod listens on port {self.port}: {error}") from error

    def _client(self, user: str, password: str, source: str) -> Client:
        return MongoClient(
            "127.0.0.1",
            self.port,
            username=user,
            password=password,
            authSource=source,
            directConnection=True,
            timeoutMS=CLIENT_MS,
        )
