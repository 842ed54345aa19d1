"""The system under test: both engines, a proxy in front of each, and the service on the proxies.

The engines belong to this process and not to the service, so that either can end without the other.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import asyncpg
from pymongo import MongoClient, timeout
from pymongo.errors import PyMongoError
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.cli.admin import (
    CREDENTIALS_FILE,
    ensure_credentials,
    issue_admin_token,
    load_credentials,
)
from service.settings import Settings
from service.stores.embedded import MongoEngine, PostgresEngine, StoreUrls
from service.stores.embedded.engine import Engine
from service.stores.embedded.supervisor import ProcessSpec
from service.stores.sql import migrations
from tests.chaos.controls import Control
from tests.fixtures.cpu_time import cpu_wait_of, cpu_wait_seconds
from tests.fixtures.fault_proxy import FaultProxy
from tests.fixtures.processes import family_of, kill
from tests.fixtures.service import RunningService, default_timeouts, running_service

# Parts of requests that write, as the drivers encode them.
MARKS = {"postgresql": ("COMMIT",), "mongodb": ("\x02insert", "\x02update", "\x02findAndModify")}
ROOT = Path(__file__).parents[2]
MAX_CONNECTIONS = 60  # a fault uses all of them up
UNLIMITED = {
    f"POLYSTORE_RATE_{name}": "1000000000/minute"
    for name in ("CALLER", "ADDRESS", "LOGIN", "GUESS")
}
Dial = dict[str, Any]


class Postgres(PostgresEngine):
    """PostgreSQL with settings of a run."""

    options: ClassVar[dict[str, str]] = {}

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        for name, value in {"max_connections": MAX_CONNECTIONS, **self.options}.items():
            spec["command"] += ["-c", f"{name}={value}"]
        return spec

    def address(self, user: str = "postgres") -> Dial:
        """Return how asyncpg connects without the proxy."""
        superuser = (self.folder / "superuser_password").read_text().strip()
        password = superuser if user == "postgres" else self.password
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": user,
            "password": password,
            "database": "polystore",
        }


class Mongo(MongoEngine):
    """A mongod with options of a run, which names the proxy as its address to clients."""

    options: ClassVar[dict[str, str]] = {}

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        spec["command"] += [part for option in self.options.items() for part in option]
        return spec

    def name_proxy(self, port: int) -> None:
        """Let drivers that know the replica set use the proxy too."""
        with self._as_system() as client:
            config = client.admin.command("replSetGetConfig")["config"]
            config["members"][0]["host"] = f"127.0.0.1:{port}"
            config["version"] += 1
            client.admin.command("replSetReconfig", config)

    def direct(self) -> MongoClient[dict[str, Any]]:
        """Return a client that does not use the proxy."""
        address = self.url.partition("?")[0]
        return MongoClient(f"{address}?authSource=admin&directConnection=true", timeoutMS=30_000)

    def takes_writes(self) -> bool:
        with self.direct() as client, timeout(0.5):
            return bool(client.admin.command("hello")["isWritablePrimary"])


class Moment(NamedTuple):
    """A time, and how long clients and service had waited for a processor until then."""

    time: float
    waited: float
    service_waited: float


class Absence(NamedTuple):
    """When the service went away and when it was back; infinity: not yet.

    One that ``finishes`` has responded to all requests that began before.
    """

    begin: float
    back: float
    finishes: bool


class System:
    """The engines by store, the proxies by store, and the running service.

    ``folder / "data"`` may hold a migrated PostgreSQL with its credentials already.
    """

    def __init__(self, folder: Path, control: Control | None, chance: random.Random) -> None:
        self.folder, self.control, self.chance = folder, control, chance
        self.data = folder / "data"
        self.postgres, self.mongo = Postgres(self.data / "postgres"), Mongo(self.data / "mongodb")
        self.postgres.options = control.postgres if control else {}  # type: ignore[misc]
        self.mongo.options = control.mongo if control else {}  # type: ignore[misc]
        self.engines: dict[str, Engine] = {"postgresql": self.postgres, "mongodb": self.mongo}
        self.proxies: dict[str, FaultProxy] = {}
        self.service: RunningService | None = None
        self.token, self.credentials = "", dict[str, str]()
        self.logged: Counter[str] = Counter()  # tracebacks and other warnings of ended services
        self.absences: list[Absence] = []
        self._running = ExitStack()

    @property
    def url(self) -> str:
        assert self.service is not None
        return self.service.url

    @property
    def pid(self) -> int:
        assert self.service is not None
        return self.service.process.pid

    def now(self) -> "Moment":
        """Return a moment for :meth:`seconds_since`, within one run of the service."""
        return Moment(time.monotonic(), cpu_wait_seconds(), cpu_wait_of(self.pid))

    def seconds_since(self, moment: "Moment") -> float:
        """Return the seconds without those for which the machine was busy otherwise.

        Then the thread of the clients or that of the service waited for a processor.
        """
        now = self.now()
        waited = max(now.waited - moment.waited, now.service_waited - moment.service_waited)
        return now.time - moment.time - waited

    def absent_between(self, start: float, end: float) -> bool:
        """Return whether a request between two times may have broken."""
        return any(
            (start if absence.finishes else end) >= absence.begin and start <= absence.back
            for absence in self.absences
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["System"]:
        """Run everything; it ends with the block."""
        self.data.mkdir(mode=0o700, exist_ok=True)
        async with AsyncExitStack() as stack:
            for engine in self.engines.values():
                stack.push_async_callback(asyncio.to_thread, engine.stop)
            await asyncio.gather(
                *(asyncio.to_thread(engine.start) for engine in self.engines.values())
            )
            for store, engine in self.engines.items():
                proxy = FaultProxy(engine.port, MARKS[store], self.chance.getrandbits(32))
                stack.callback(proxy.end)
                self.proxies[store] = proxy
            await asyncio.to_thread(self._prepare)
            stack.push_async_callback(asyncio.to_thread, self._running.close)
            await self.start_service()
            yield self

    def _prepare(self) -> None:
        """Migrate, create the indexes and the administrator, and get a token for twelve hours."""
        self.mongo.name_proxy(self.proxies["mongodb"].port)
        direct = StoreUrls(self.postgres.url, self.mongo.url)
        settings = Settings(data_dir=self.data)
        if not (self.data / CREDENTIALS_FILE).exists():
            migrations.apply(direct.database_url, lambda _step: None)
            ensure_credentials(direct, settings)
        with self.mongo.direct() as client:
            apply_all(client["polystore"])
        self.token = issue_admin_token(direct, settings)
        self.credentials = load_credentials(settings)._asdict()

    async def start_service(self, probe: str = "/readyz") -> None:
        """Start the service, with the timeouts of production."""
        self.read_log()
        control = self.control
        module = "tests.chaos.broken_service" if control and control.patch else "service.cli"
        self.service = await asyncio.to_thread(
            self._running.enter_context,
            running_service(self.folder, probe=probe, module=module, **self._environment()),
        )
        now = time.monotonic()
        self.absences = [one._replace(back=min(one.back, now)) for one in self.absences]

    def _environment(self) -> dict[str, str]:
        urls = {store: self._through_proxy(store) for store in self.proxies}
        return {
            **default_timeouts(),
            **UNLIMITED,
            "DATABASE_URL": urls["postgresql"],
            "MONGODB_URL": urls["mongodb"],
            "POLYSTORE_DRAIN_SECONDS": "1",
            "PORT": self.url.rpartition(":")[2] if self.service else "0",
            **(self.control.environment if self.control else {}),
            "CHAOS_CONTROL": self.control.name if self.control else "",
            "PYTHONPATH": str(ROOT),
        }

    def _through_proxy(self, store: str) -> str:
        engine, port = self.engines[store], self.proxies[store].port
        url: str = engine.url
        return url.replace(f":{engine.port}/", f":{port}/")

    def read_log(self) -> None:
        """Count the lines that the service has logged, before another one starts its own log."""
        path = self.folder / "serve.log"
        for line in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
            if line.startswith("{"):
                entry = json.loads(line)
                self.logged["\n".join(filter(None, (entry["event"], entry.get("exception"))))] += 1

    def note_absence(self, *, finishes: bool = False) -> None:
        """Note that the service is away from now until it is started."""
        self.absences.append(Absence(time.monotonic(), float("inf"), finishes))

    def kill_service(self) -> None:
        """Kill the service with SIGKILL and wait until it has ended."""
        assert self.service is not None
        self.note_absence()
        kill(family_of(self.pid))
        self.service.process.wait()

    async def connect(self, user: str = "postgres") -> Any:
        """Return a connection to PostgreSQL without the proxy."""
        return await asyncpg.connect(**self.postgres.address(user))

    async def answers(self, store: str) -> bool:
        """Return whether the engine takes writes, asked without the proxy."""
        try:
            if store == "mongodb":
                return await asyncio.to_thread(self.mongo.takes_writes)
            connection = await self.connect()
            await connection.close()
        except (OSError, asyncpg.PostgresError, PyMongoError):
            return False
        return True


def gauges(text: str) -> Iterator[tuple[str, float]]:
    """Yield the gauges of both stores that /metrics shows, by store and figure."""
    for line in text.splitlines():
        if line.startswith("polystore_store{"):
            labels, _, value = line.rpartition(" ")
            parts = dict(part.split("=") for part in labels.partition("{")[2][:-1].split(","))
            yield f"{parts['store']} {parts['figure']}".replace('"', ""), float(value)
