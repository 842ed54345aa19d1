"""Engines for the whole run, a database per worker, and a client that knows the contract."""

import gc
import os
import re
import shutil
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # no py.typed

from service.stores.embedded import StoreUrls, embedded_stores

pytest_plugins = [
    "tests.fixtures.stores",
    "tests.fixtures.reset",
    "tests.fixtures.client",
    "tests.fixtures.sql_sessions",
    "tests.fixtures.databases",
    "tests.fixtures.logs",
    "tests.fixtures.passwords",
    "tests.fixtures.service",
]
ROOT = Path(__file__).parents[1]
MEMORY, NEEDED_BYTES = Path("/dev/shm"), 4 << 30  # noqa: S108 - mkdtemp makes the folder
LONGEST_FIRST = ("plans", "faults", "openapi", "xdist_group", "slow")
ENGINES = pytest.StashKey[tuple[StoreUrls, ExitStack]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start both engines once; the workers get their URLs."""
    os.environ["POLYSTORE_ENV_FILE"] = ""  # a developer's .env changes no test and no process of it
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    stack = ExitStack()
    folder = tempfile.mkdtemp(prefix="polystore-test-", dir=_memory())
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    urls = stack.enter_context(embedded_stores(Path(folder)))
    config.stash[ENGINES] = (urls, stack)


def _memory() -> Path | None:
    """Return a folder in memory for the engines, or None where it is missing or small.

    No test of what survives a kill uses these engines: those start their own on disk.
    """
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < NEEDED_BYTES:
        return None
    return MEMORY


def pytest_unconfigure(config: pytest.Config) -> None:
    started = config.stash.get(ENGINES, None)
    if started is not None:
        started[1].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """xdist: hands the engines' addresses to a worker."""
    node.workerinput["engines"] = tuple(node.config.stash[ENGINES][0])  # type: ignore[attr-defined]


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # untyped, as above
    """Send the modules of an ``xdist_group`` to one worker, and every other test to any.

    ``--dist loadgroup`` of pytest-xdist 3.8 changes node ids, which pytest 9.2 ignores, so that it
    groups nothing (https://github.com/pytest-dev/pytest-xdist/issues/1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(nodeid.partition("::")[0]) or nodeid


@cache
def _group_of(module: str) -> str | None:
    match = re.search(r'xdist_group\("(\w+)"\)', (ROOT / module).read_text())
    return match and match[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling:
    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, else one worker ends with it alone; the rest stays shuffled."""
    items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """Exempt what is imported by now from garbage collection, which takes seconds in all."""
    gc.collect()
    gc.freeze()


def _rank(item: pytest.Item) -> int:
    ranks = [rank for rank, name in enumerate(LONGEST_FIRST) if item.get_closest_marker(name)]
    return min(ranks, default=len(LONGEST_FIRST))


@pytest.fixture(scope="session")
def engines(request: pytest.FixtureRequest) -> StoreUrls:
    """URLs of the engines of this run."""
    config = request.config
    if hasattr(config, "workerinput"):
        return StoreUrls(*config.workerinput["engines"])
    return config.stash[ENGINES][0]


@pytest.fixture(scope="session")
def mongodb_url(engines: StoreUrls) -> str:
    """A mongod on which databases named polystore_test_* may be made."""
    return engines.mongodb_url
