"""``polystore serve``: the API, on configured stores or on embedded engines."""

import socket
from typing import Annotated, Any

import typer
from pymongo import MongoClient

from mongo_indexes.apply import apply_all
from service.cli.admin import ensure_credentials
from service.cli.output import CommandFailed, print_progress, report_errors
from service.cli.server import Server, ShutdownSignal, configure
from service.cli.stores import configured_stores, with_urls
from service.cli.workers import Workers
from service.settings import Settings
from service.stores.embedded import StoreUrls, embedded_stores
from service.stores.mongo.client import database_name
from service.stores.sql import migrations

BACKLOG = 2048  # as uvicorn's


class AddressInUse(CommandFailed):
    """Another process listens on the address."""


def serve(
    *,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that serve; else POLYSTORE_WORKERS.")
    ] = None,
) -> None:
    """Serve the API; without DATABASE_URL and MONGODB_URL, on embedded engines.

    Example: `PORT=8001 POLYSTORE_DATA_DIR=/srv/polystore polystore serve`
    """
    with report_errors():
        settings = Settings()
        if workers is not None:
            settings = settings.model_copy(update={"workers": workers})
        run_service(settings)


def run_service(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop in order what was started.

    Raises:
        AddressInUse: the port is taken; nothing was started.
        EmbeddedError: the engines cannot be started.
        WorkerFailed: a worker ended before any was ready.
    """
    urls = configured_stores(settings)
    with _listen(settings) as listener:
        shutdown_signal = ShutdownSignal.installed()
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
    address = settings.address(listener.getsockname()[1])
    print_progress(f"API   {address}/v1")
    print_progress(f"docs  {address}/docs")
    print_progress(f"ready {address}/readyz")
    print_progress(f"data  {settings.data_dir.resolve()}")
    if settings.workers > 1:
        settings.signing_secrets()  # creates the secret before the workers read it
        Workers(settings, listener).run(shutdown_signal)
        return
    server = Server(configure(settings), shutdown_signal, settings.drain_seconds)
    server.run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)  # until then another process can bind the same address
    except OSError as error:
        listener.close()
        raise AddressInUse(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}). "
            f"Take another port: PORT={settings.port + 1} make serve"
        ) from error
    return listener
