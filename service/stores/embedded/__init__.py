"""Real PostgreSQL and MongoDB for a machine that has no servers, from wheels, in a data folder.

``make serve`` and the tests use it where DATABASE_URL and MONGODB_URL are not set; production never
does. It protects three things. Data: what an engine acknowledged is there after any kill, and what
was finished is never made anew. The machine: the engines end with the process that started them,
however it ends, and listen on 127.0.0.1 only, with passwords that only the folder's owner can read.
The developer's time: an engine that dies is started again on the same port, and each failure says
what to do.

Rooms: ``engine.py`` is what ``postgres.py`` and ``mongo.py`` share; ``guarded.py`` is our end of
``guard.py``, the small process that owns an engine, which it starts through ``launch.py``.
"""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from service.stores.embedded.binaries import find_binaries
from service.stores.embedded.data_dir import is_locked, locked, write_private
from service.stores.embedded.engine import Engine
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
    """Where the two stores are, passwords included."""

    database_url: str
    mongodb_url: str


@contextmanager
def embedded_stores(
    data_dir: Path, *, tell: Callable[[str], None] = _log.info
) -> Iterator[StoreUrls]:
    """Run both engines on the data in ``data_dir`` for the time of the ``with`` block.

    The first time the folder is made, later its data is used again. PostgreSQL's role may create
    databases, MongoDB's user may use any. ``tell`` gets short lines about progress, later also from
    another thread, when an engine died and was started again. Raises ``PlatformUnsupported``,
    ``DataFolderInUse`` or ``EngineFailed``.
    """
    find_binaries()
    with locked(data_dir) as folder:
        running = folder / RUNNING_FILE
        running.unlink(missing_ok=True)  # of a process that was killed
        postgres = PostgresEngine(folder / "postgres", tell=tell)
        mongo = MongoEngine(folder / "mongodb", tell=tell)
        try:
            _start_together([postgres, mongo])
            urls = StoreUrls(postgres.url, mongo.url)
            write_private(running, json.dumps(urls._asdict()))
            yield urls
        finally:
            running.unlink(missing_ok=True)
            _stop_together([postgres, mongo])


def running_stores(data_dir: Path) -> StoreUrls | None:
    """The URLs of the engines that a process is running on ``data_dir`` right now, else None."""
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
            # Also Ctrl-C: the pool waits for its threads, so tell them to give up.
            _stop_together(engines)
            raise


def _stop_together(engines: Sequence[Engine]) -> None:
    with ThreadPoolExecutor(len(engines)) as pool:
        for stop in [pool.submit(engine.stop) for engine in engines]:
            stop.result()
