"""A database per test, dropped afterwards."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from pymongo import MongoClient
from pymongo.database import Database

Document = dict[str, Any]
Connect = Callable[[], Database[Document]]


@pytest.fixture
def connect(mongodb_url: str) -> Iterator[Connect]:
    """Return a function that opens a new client on the same database, as another process would."""
    name = f"polystore_test_{uuid4().hex}"
    clients: list[MongoClient[Document]] = []

    def new_client() -> Database[Document]:
        clients.append(MongoClient(mongodb_url))
        return clients[-1][name]

    yield new_client
    with MongoClient[Document](mongodb_url) as client:
        client.drop_database(name)
    for client in clients:
        client.close()


@pytest.fixture
def database(connect: Connect) -> Database[Document]:
    """An empty database."""
    return connect()
