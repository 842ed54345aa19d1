"""MongoDB alone: killed, moved, interrupted in its first start, and what its user may not do."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.write_concern import WriteConcern

from service.stores.embedded import MongoEngine

pytestmark = pytest.mark.xdist_group("embedded_mongo")

Eventually = Callable[[Callable[[], object], str], None]
Client = MongoClient[dict[str, Any]]
CREATE_ROOT = {"createUser": "me", "pwd": "me", "roles": ["root"]}
DURABLE = WriteConcern(w="majority", j=True)


@pytest.fixture(scope="module")
def kept_mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    engine = MongoEngine(tmp_path_factory.mktemp("embedded") / "mongodb")
    yield engine
    engine.stop()


@pytest.fixture
def mongo(kept_mongo: MongoEngine) -> MongoEngine:
    """A running mongod, emptied of what the tests before left in it."""
    if kept_mongo.pid is None:
        kept_mongo.start()
    with _client(kept_mongo) as client:
        client.drop_database("polystore")
    return kept_mongo


def test_kill_9_loses_no_acknowledged_document_and_the_same_port_answers_again(
    mongo: MongoEngine, eventually: Eventually
) -> None:
    acknowledged: list[int] = []
    over = threading.Event()

    def write() -> None:
        with _client(mongo) as client:
            acks = client.polystore.get_collection("acks", write_concern=DURABLE)
            for n in count():
                if over.is_set():
                    return
                try:
                    acks.insert_one({"_id": n})
                except PyMongoError:
                    continue
                acknowledged.append(n)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            _await_growth(acknowledged, eventually)
            killed = mongo.pid
            assert killed
            os.kill(killed, signal.SIGKILL)
            eventually(partial(_runs_anew, mongo, killed), "a new mongod")
        _await_growth(acknowledged, eventually)
    finally:
        over.set()
        thread.join()
    with _client(mongo) as client:
        stored = {document["_id"] for document in client.polystore.acks.find({})}
    assert set(acknowledged) <= stored


def test_a_moved_port_still_gives_a_primary_with_its_data(mongo: MongoEngine) -> None:
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


def test_a_first_start_that_left_rubbish_is_begun_anew_and_the_rubbish_kept(
    tmp_path: Path,
) -> None:
    engine = MongoEngine(tmp_path)
    engine.data.mkdir()
    (engine.data / "WiredTiger").write_text("half")
    (engine.data / "WiredTiger.turtle").write_text("half")
    engine.start()
    try:
        with _client(engine) as client:
            client.polystore.kept.insert_one({"_id": 1})
        assert len(list(tmp_path.glob("data.unfinished-*/WiredTiger.turtle"))) == 1
    finally:
        engine.stop()


def test_a_first_start_killed_before_its_user_was_made_is_finished_with_its_data(
    mongo: MongoEngine,
) -> None:
    with _client(mongo) as client:
        client.polystore.kept.insert_one({"_id": 1})
    _as_system(mongo, "dropUser", "polystore")
    mongo.made_mark.unlink()
    mongo.stop()
    mongo.start()
    with _client(mongo) as client:
        assert client.polystore.kept.count_documents({}) == 1
    assert mongo.made_mark.exists()


def test_strangers_are_not_let_in_and_the_user_is_no_administrator(mongo: MongoEngine) -> None:
    nobody: Client = MongoClient("127.0.0.1", mongo.port, directConnection=True)
    with nobody, pytest.raises(OperationFailure, match="requires authentication"):
        nobody.admin.command(CREATE_ROOT)
    with _client(mongo) as client:
        with pytest.raises(OperationFailure, match="not authorized"):
            client.admin.command(CREATE_ROOT)
        assert client.admin.command({"currentOp": 1, "$all": True})["ok"] == 1


def _await_growth(acknowledged: list[int], eventually: Eventually) -> None:
    enough = len(acknowledged) + 50
    eventually(lambda: len(acknowledged) > enough, "writes go on")


def _runs_anew(mongo: MongoEngine, killed: int) -> bool:
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
