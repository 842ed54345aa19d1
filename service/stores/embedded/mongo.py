"""A mongod from a wheel: a replica set of one, in a folder of its own."""

import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Any, ClassVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern
from typing_extensions import override

from service.stores.embedded.binaries import find_binaries, runnable
from service.stores.embedded.data_dir import kept_secret, write_private
from service.stores.embedded.engine import POLL_SECONDS, Engine, PortTaken
from service.stores.embedded.errors import EngineFailed
from service.stores.embedded.supervisor import Spec

OPLOG_MB = "512"
CLIENT_MS = 10_000
KEY_BYTES = 48
# Any database, because the tests make one per worker; clusterMonitor, because the index manager
# watches builds through currentOp. None of them may manage users or touch admin, config and local.
ROLES = ["clusterMonitor", "dbAdminAnyDatabase", "readWriteAnyDatabase"]
AUTHENTICATION_FAILED, NOT_YET_INITIALIZED = 18, 94

DURABLE = WriteConcern(w=1, j=True)
Client = MongoClient[dict[str, Any]]


class MongoEngine(Engine):
    """MongoDB as the replica set ``rs0`` of one node, with a user ``polystore``.

    We administer it as ``__system``, the identity of whoever holds the key file. So there is no
    administrator's password to lose, and no moment without authentication: the localhost exception,
    by which the first comer may create the first user, is off.
    """

    name = "MongoDB"
    stop_signals: ClassVar = [(signal.SIGTERM, 10.0)]
    # Its journal makes that safe, and in order it takes a second nobody waits for.
    orphan_signal = signal.SIGKILL

    @property
    def data(self) -> Path:
        """The database files."""
        return self.folder / "data"

    @property
    def made_mark(self) -> Path:
        """Written when the first start is complete, before anybody gets the URL.

        It holds the port under which the node knows itself in its replica set.
        """
        return self.data / "made-by-polystore"

    @property
    @override
    def url(self) -> str:
        """The URL for any driver.

        By replica set and not directConnection: after a restart the node is a secondary for a
        moment, and a driver that knows the set waits for the primary instead of failing.
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
        self._mongod = runnable(mongod.parent, (mongod.name,), self.folder) / mongod.name
        kept_secret(self._key_file, KEY_BYTES)
        self.data.mkdir(mode=0o700, exist_ok=True)

    @override
    def _launch(self) -> None:
        try:
            if self._known_port() not in (self.port, None):
                self._move()
            super()._launch()
        except PortTaken:
            raise
        except EngineFailed:
            if self._stopping or self.made_mark.exists():
                raise
            # Killed in the middle of its first start, it cannot read its own files. Nobody was
            # given the URL, so nothing is lost; still they are put aside and not deleted.
            aside = self.folder / f"data.unfinished-{secrets.token_hex(4)}"
            self._tell(f"MongoDB: the first start was interrupted, beginning anew (kept {aside})")
            self.data.rename(aside)
            self.data.mkdir(mode=0o700)
            super()._launch()

    def _known_port(self) -> int | None:
        """The port in the set's configuration; None before the first start, 0 if unsure."""
        if self.made_mark.exists():
            return int(self.made_mark.read_text("utf-8"))
        return 0 if any(self.data.iterdir()) else None

    def _move(self) -> None:
        """Write the new port into the set's configuration, while the node runs outside the set.

        Inside, it would look for itself at the old port first, and if another server has that now,
        wait half a minute for its answer.
        """
        if self.made_mark.exists():
            write_private(self.made_mark, "0")
        spec = self._spec()
        place = spec["command"].index("--replSet")
        del spec["command"][place : place + 2]
        guarded = self._guard(spec)
        try:
            while not self._listens():
                self._check_alive(guarded)
                time.sleep(POLL_SECONDS)
            with self._as_system() as client:
                address = {"members.0.host": f"127.0.0.1:{self.port}"}
                sets = client.local.get_collection("system.replset", write_concern=DURABLE)
                sets.update_one({"_id": "rs0"}, {"$set": address})
        finally:
            self._let_go(guarded)
        if self.made_mark.exists():
            write_private(self.made_mark, str(self.port))

    @override
    def _spec(self) -> Spec:
        parameters = {
            "enableLocalhostAuthBypass": "false",
            "diagnosticDataCollectionEnabled": "false",  # 200 MB of files for MongoDB's support
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
    def _settle(self) -> bool:
        if not self._listens():
            return False
        try:
            with self._as_system() as client:
                return self._lead(client) and self._admit(client)
        except OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                raise EngineFailed(f"port {self.port} is not our mongod: {error}") from error
            return False
        except PyMongoError:
            return False  # it has just ended, or is not that far yet: our caller asks again

    def _lead(self, client: Client) -> bool:
        """Found the replica set if there is none; whether the node is its primary already."""
        if client.admin.command("hello").get("isWritablePrimary"):
            return True
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                members = [{"_id": 0, "host": f"127.0.0.1:{self.port}"}]
                client.admin.command("replSetInitiate", {"_id": "rs0", "members": members})
        return False

    def _admit(self, client: Client) -> bool:
        """See to it that the user exists with this password and these roles."""
        known = client.admin.command("usersInfo", "polystore")["users"]
        if not known:
            client.admin.command("createUser", "polystore", pwd=self.password, roles=ROLES)
        elif {role["role"] for role in known[0]["roles"]} != set(ROLES) or not self._user_logs_in():
            client.admin.command("updateUser", "polystore", pwd=self.password, roles=ROLES)
        self.version = client.server_info()["version"]
        if not self.made_mark.exists():
            write_private(self.made_mark, str(self.port))
        return True

    def _user_logs_in(self) -> bool:
        try:
            with self._client("polystore", self.password, "admin") as client:
                client.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
        return True

    def _listens(self) -> bool:
        # pymongo waits half a second after a refused connection; a plain socket tells sooner.
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _as_system(self) -> Client:
        return self._client("__system", kept_secret(self._key_file, KEY_BYTES), "local")

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
