"""``polystore serve``: the API, on configured stores or on embedded engines."""

import gc
import signal
import socket
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from pymongo import MongoClient
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.cli.admin import ensure_credentials
from service.cli.output import CommandFailed, print_progress, report_errors
from service.cli.stores import configured_stores, with_urls
from service.main import create_app
from service.settings import Settings
from service.stores.embedded import StoreUrls, embedded_stores
from service.stores.mongo.client import database_name
from service.stores.sql import migrations

GRACE_SECONDS = 10
# A request allocates hundreds of objects and almost no cycles. Python's default of 700 would run
# the collector for nearly every request.
GC_THRESHOLDS = (10_000, 20, 20)


class AddressInUse(CommandFailed):
    """Another process listens on the address."""


def serve() -> None:
    """Serve the API; without DATABASE_URL and MONGODB_URL, on embedded engines.

    Example: `PORT=8001 POLYSTORE_DATA_DIR=/srv/polystore polystore serve`
    """
    with report_errors():
        run_service(Settings())


class ShutdownSignal:
    """A signal handler that exits, until uvicorn installs its own, and after uvicorn has ended.

    Python ignores an exception raised within a finalizer, so the signal is also recorded.
    """

    def __init__(self) -> None:
        self.received = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> NoReturn:
        self.received = True
        raise SystemExit(0)


class Server(uvicorn.Server):
    """A server that ends the open tails before it waits for the last response."""

    def __init__(self, config: uvicorn.Config, shutdown_signal: ShutdownSignal) -> None:
        super().__init__(config)
        self._shutdown_signal = shutdown_signal

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # uvicorn's signal handlers are installed by now; end if a signal came before them.
        self.should_exit = self.should_exit or self._shutdown_signal.received

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        shutdown_event = self.lifespan.state.get("shutdown_event")
        if shutdown_event is not None:
            shutdown_event.set()
        await super().shutdown(sockets)


def run_service(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop in order what was started.

    Raises:
        AddressInUse: the port is taken; nothing was started.
        EmbeddedError: the engines cannot be started.
    """
    urls = configured_stores(settings)
    with _listen(settings) as listener:
        shutdown_signal = ShutdownSignal()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, shutdown_signal)
        if urls is not None:
            _serve(with_urls(settings, urls), listener, shutdown_signal)
            return
        with embedded_stores(settings.data_dir, on_progress=print_progress) as urls:
            prepare(urls, settings)
            ensure_credentials(urls, settings)
            _serve(with_urls(settings, urls), listener, shutdown_signal)


def prepare(urls: StoreUrls, settings: Settings) -> None:
    """Migrate the schema and create the indexes; only embedded engines are prepared unasked."""
    migrations.apply(urls.database_url, print_progress)
    with MongoClient[dict[str, Any]](urls.mongodb_url) as client:
        apply_all(client[database_name(urls.mongodb_url, settings)], print_progress)


def _serve(settings: Settings, listener: socket.socket, shutdown_signal: ShutdownSignal) -> None:
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
    print_progress(f"API   {address}/v1")
    print_progress(f"docs  {address}/docs")
    print_progress(f"ready {address}/readyz")
    print_progress(f"data  {settings.data_dir.resolve()}")
    gc.collect()
    gc.freeze()  # existing objects are permanent; collecting them repeatedly cost 5 % (measured)
    gc.set_threshold(*GC_THRESHOLDS)
    Server(config, shutdown_signal).run(sockets=[listener])


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
