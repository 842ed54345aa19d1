"""``polystore serve``: the API, and where nothing else is given the two engines under it."""

import gc
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from pymongo import MongoClient
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.cli.admin import first_start
from service.cli.stores import told_stores, with_stores
from service.main import create_app
from service.settings import Settings
from service.stores.embedded import StoreUrls, embedded_stores
from service.stores.mongo.client import database_name
from service.stores.sql import migrations as migrate

Tell = Callable[[str], None]
GRACE_SECONDS = 10
# A request makes hundreds of objects and hardly a cycle: Python's 700 looks at each request's.
GARBAGE = (10_000, 20, 20)


class AddressInUse(Exception):
    """Somebody else listens there."""


class _Leave:
    """Ends the process in order: uvicorn finishes what is in flight and raises the signal again.

    Python ignores what is raised within a finalizer, so the wish is also kept and looked at.
    """

    def __init__(self) -> None:
        self.wished = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        self.wished = True
        raise SystemExit(0)

    def if_wished(self) -> None:
        """Leaves if a signal came that was ignored."""
        if self.wished:
            raise SystemExit(0)


class _Server(uvicorn.Server):
    """Tells those who follow the log that it ends, before it waits for the last answer."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutdown_event = self.lifespan.state.get("shutdown_event")
        if shutdown_event is not None:
            shutdown_event.set()
        await super().shutdown(sockets)


def serve(settings: Settings, tell: Tell) -> None:
    """Serves until SIGTERM or Ctrl-C, and then ends what it started, in order.

    Raises:
        AddressInUse: before anything was started.
        EmbeddedError: the engines cannot be started here.
    """
    leave = _Leave()
    for received in (signal.SIGTERM, signal.SIGINT):
        signal.signal(received, leave)
    listener = _listen(settings)
    urls = told_stores(settings)
    if urls is not None:
        _run(with_stores(settings, urls), listener, tell, leave)
        return
    with embedded_stores(settings.data_dir, on_progress=tell) as urls:
        prepare(urls, settings, tell)
        first_start(urls, settings, tell)
        _run(with_stores(settings, urls), listener, tell, leave)


def prepare(urls: StoreUrls, settings: Settings, tell: Tell) -> None:
    """Brings schema and indexes up to date. Only engines of our own are prepared unasked."""
    migrate.apply(urls.database_url, tell)
    with MongoClient[dict[str, Any]](urls.mongodb_url) as client:
        apply_all(client[database_name(urls.mongodb_url, settings)], tell)


def _run(settings: Settings, listener: socket.socket, tell: Tell, leave: _Leave) -> None:
    config = uvicorn.Config(
        create_app(settings),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    address = settings.address(listener.getsockname()[1])
    tell(f"API   {address}/v1")
    tell(f"docs  {address}/docs")
    tell(f"ready {address}/readyz")
    tell(f"data  {settings.data_dir.resolve()}")
    leave.if_wished()
    gc.collect()
    gc.freeze()  # what is there now stays; looking at it again and again was measured to cost 5 %
    gc.set_threshold(*GARBAGE)
    _Server(config).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise AddressInUse(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            f"Take another port: PORT={settings.port + 1} make serve"
        ) from error
    return listener
