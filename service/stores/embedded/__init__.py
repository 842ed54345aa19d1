"""PostgreSQL and MongoDB from wheels, in a data folder, for machines without database servers.

``make serve`` and the tests use it where DATABASE_URL and MONGODB_URL are not set; production never
does. Protects:

* Data: an acknowledged write survives any kill, and a finished database is never created again.
* The machine: the engines end with the process that started them, however it ends. They listen on
  127.0.0.1 only, with passwords that only the folder's owner can read.
* The developer's time: a dead engine is restarted on the same port; each error names the remedy.

``engine.py`` is the base class of ``postgres.py`` and ``mongo.py``. ``supervised.py`` talks to
``supervisor.py``, the process that owns an engine and starts it through ``launch.py``.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from service.stores.embedded.binaries import find_binaries
from service.stores.embedded.data_dir import is_locked, locked, write_private
from service.stores.embedded.engine import Engine, OnProgress
from service.stores.embedded.errors import (
    DataFolderInUse,
    EmbeddedError,
    EngineFailed,
    PlatformUnsupported,
)
from service.stores.embedded.mongo import MongoEngine
from service.stores.embedded.postgres import PostgresEngine

__all__ = [
    "DataFolderInUse",
    "EmbeddedError",
    "EngineFailed",
    "MongoEngine",
    "PlatformUnsupported",
    "PostgresEngine",
    "StoreUrls",
    "embedded_stores",
    "running_stores",
]

RUNNING_FILE = "running.json"
_log = logging.getLogger(__name__)


class StoreUrls(NamedTuple):
    """The URLs of both stores, with passwords."""

    database_url: str
    mongodb_url: str


@contextmanager
def embedded_stores(data_dir: Path, *, on_progress: OnProgress = _log.info) -> Iterator[StoreUrls]:
    """Run both engines on the data in ``data_dir`` during the ``with`` block.

    The first run creates the folder, later runs use its data. PostgreSQL's role may create
    databases, MongoDB's user may use any. ``on_progress`` gets short lines, also from another
    thread when an engine died and was restarted.

    Raises:
        PlatformUnsupported: there are no programs for this machine.
        DataFolderInUse: another process runs on the folder.
        EngineFailed: an engine did not start.
    """
    find_binaries()
    with locked(data_dir) as folder:
        running = folder / RUNNING_FILE
        running.unlink(missing_ok=True)  # left by a process that was killed
        postgres = PostgresEngine(folder / "postgres", on_progress=on_progress)
        mongo = MongoEngine(folder / "mongodb", on_progress=on_progress)
        try:
            _start_together([postgres, mongo])
            urls = StoreUrls(postgres.url, mongo.url)
            write_private(running, json.dumps(urls._asdict()))
            yield urls
        finally:
            running.unlink(missing_ok=True)
            _stop_together([postgres, mongo])


def running_stores(data_dir: Path) -> StoreUrls | None:
    """Return the URLs of the engines running on ``data_dir``, or None."""
    if not is_locked(data_dir):
        return None
    try:
        return StoreUrls(**json.loads((data_dir / RUNNING_FILE).read_text("utf-8")))
    except FileNotFoundError:
        return None  # still starting, or already stopping


def _start_together(engines: Sequence[Engine]) -> None:
    with ThreadPoolExecutor(len(engines)) as pool:
        starts = [pool.submit(engine.start) for engine in engines]
        try:
            for start in as_completed(starts):
                start.result()
        except BaseException:
            # Also on Ctrl-C, because the pool waits for its threads.
            _stop_together(engines)
            raise


def _stop_together(engines: Sequence[Engine]) -> None:
    with ThreadPoolExecutor(len(engines)) as pool:
        for stop in [pool.submit(engine.stop) for engine in engines]:
            stop.result()
