"""MongoDB alone: killed, moved to another port, interrupted in its first start, protected."""

import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from service.stores.embedded import MongoEngine
from service.stores.embedded.ports import choose_port
from tests.stores.embedded.probes import wait_until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("embedded_mongo")]
Client = MongoClient[dict[str, Any]]
CREATE_ROOT = {"createUser": "me", "pwd": "me", "roles": ["root"]}
DURABLE = WriteConcern(w="majority", j=True)


@pytest.fixture(scope="module")
def shared_mongo(
    prepared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MongoEngine]:
    """One engine for this module, on disk because a test is about durability."""
    folder = tmp_path_factory.mktemp("embedded") / "mongodb"
    engine = MongoEngine(shutil.copytree(prepared_data / "mongodb", folder))
    yield engine
    engine.stop()


@pytest.fixture
def mongo(shared_mongo: MongoEngine) -> MongoEngine:
    """A running mongod without the documents of earlier tests."""
    if shared_mongo.pid is None:
        shared_mongo.start()
    with _client(shared_mongo) as client:
        client.drop_database("polystore")
    return shared_mongo


def test_mongo_killed_keeps_acknowledged_documents_and_its_port(mongo: MongoEngine) -> None:
    acknowledged: list[int] = []
    finished = threading.Event()

    def write() -> None:
        with _client(mongo) as client:
            acks = client.polystore.get_collection("acks", write_concern=DURABLE)
            for n in count():
                if finished.is_set():
                    return
                try:
                    acks.insert_one({"_id": n})
                except PyMongoError:
                    continue
                acknowledged.append(n)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(2):
            _await_growth(acknowledged)
            killed = mongo.pid
            assert killed
            os.kill(killed, signal.SIGKILL)
            wait_until(partial(_restarted, mongo, killed), "a new mongod")
        _await_growth(acknowledged)
    finally:
        finished.set()
        thread.join()
    with _client(mongo) as client:
        stored = {document["_id"] for document in client.polystore.acks.find({})}
    assert set(acknowledged) <= stored


def test_mongo_port_taken_becomes_primary_on_another_port(mongo: MongoEngine) -> None:
    with _client(mongo) as client:
        client.polystore.kept.insert_one({"_id": 1})
    first = mongo.port
    mongo.stop()
    with socket.create_server(("127.0.0.1", first)):
        mongo.start()
        assert mongo.port != first
        with _client(mongo) as client:
            assert client.primary is None or client.primary[1] == mongo.port
            client.polystore.kept.insert_one({"_id": 2})
            assert client.polystore.kept.count_documents({}) == 2


@pytest.mark.parametrize("folder", ["new", "other key", "copy"])
def test_mongo_port_taken_after_choice_moves_to_another_port(
    mongo: MongoEngine, data_dir: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """Another mongod listens there by the time this one starts; that of a copy has its key."""
    ports = iter([mongo.port])

    def choose(preferred: int | None) -> int:
        return next(ports, None) or choose_port(preferred)

    monkeypatch.setattr("service.stores.embedded.engine.choose_port", choose)
    if folder == "other key":
        (data_dir / "mongodb" / "keyfile").unlink()
    engine = MongoEngine(data_dir / ("new" if folder == "new" else "mongodb"))
    engine.start()
    try:
        assert engine.port != mongo.port
        with _client(engine) as client:
            client.polystore.kept.insert_one({"_id": 1})
        with _client(mongo) as client:
            assert client.polystore.kept.count_documents({}) == 0
    finally:
        engine.stop()


def test_mongo_unreadable_first_start_starts_again_and_keeps_files(memory_path: Path) -> None:
    engine = MongoEngine(memory_path)
    engine.data.mkdir()
    (engine.data / "WiredTiger").write_text("half")
    (engine.data / "WiredTiger.turtle").write_text("half")
    engine.start()
    try:
        with _client(engine) as client:
            client.polystore.kept.insert_one({"_id": 1})
        assert len(list(memory_path.glob("data.unfinished-*/WiredTiger.turtle"))) == 1
    finally:
        engine.stop()


def test_mongo_first_start_without_user_is_completed_with_its_data(mongo: MongoEngine) -> None:
    with _client(mongo) as client:
        client.polystore.kept.insert_one({"_id": 1})
    _as_system(mongo, "dropUser", "polystore")
    mongo.completion_file.unlink()
    mongo.stop()
    mongo.start()
    with _client(mongo) as client:
        assert client.polystore.kept.count_documents({}) == 1
    assert mongo.completion_file.exists()


def test_mongo_requires_authentication_and_user_is_no_administrator(mongo: MongoEngine) -> None:
    anonymous: Client = MongoClient("127.0.0.1", mongo.port, directConnection=True)
    with anonymous, pytest.raises(OperationFailure, match="requires authentication"):
        anonymous.admin.command(CREATE_ROOT)
    with _client(mongo) as client:
        with pytest.raises(OperationFailure, match="not authorized"):
            client.admin.command(CREATE_ROOT)
        assert client.admin.command({"currentOp": 1, "$all": True})["ok"] == 1


def _await_growth(acknowledged: list[int]) -> None:
    enough = len(acknowledged) + 50
    wait_until(lambda: len(acknowledged) > enough, "writes continue")


def _restarted(mongo: MongoEngine, killed: int) -> bool:
    return mongo.pid not in (killed, None)


def _client(mongo: MongoEngine) -> Client:
    return MongoClient(mongo.url, serverSelectionTimeoutMS=10_000)


def _as_system(mongo: MongoEngine, command: str, value: str) -> None:
    key = (mongo.folder / "keyfile").read_text()
    client: Client = MongoClient(
        "127.0.0.1", mongo.port, username="__system", password=key, authSource="local"
    )
    with client:
        client.admin.command(command, value)
