"""Opens the database of a command, or says why it cannot. The URL is never repeated: it may hold a
password."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    InvalidName,
    InvalidURI,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from mongo_indexes.execute import said
from mongo_indexes.exit_codes import ExitCode

Document = dict[str, Any]

_REACH_MILLISECONDS = 5_000


class Stop(Exception):
    """A command ends here, with this code and this sentence; `more` goes into its JSON."""

    def __init__(self, code: ExitCode, sentence: str, **more: Any) -> None:
        super().__init__(sentence)
        self.code = code
        self.more = more


@contextmanager
def opened(url: str | None, name: str | None) -> Iterator[Database[Document]]:
    """The database `name`, or else the one in the URL, on a server that answered. Raises Stop."""
    if not url:
        raise Stop(ExitCode.REFUSED, "which MongoDB? Use --url or set MONGODB_URL")
    with _client(url) as client:
        database = _database(client, name)
        try:
            client.admin.command("ping")
        except ServerSelectionTimeoutError as error:
            raise Stop(ExitCode.FAILED, f"no MongoDB within 5 s: {said(error)}") from error
        except PyMongoError as error:
            raise Stop(ExitCode.FAILED, said(error)) from error
        yield database


def _client(url: str) -> MongoClient[Document]:
    # Neither the error nor its text goes on: they can quote a piece of a badly escaped password.
    reason = "not a MongoDB URL (escape : / ? # [ ] @ % in user name and password)"
    if not url.startswith(("mongodb://", "mongodb+srv://")):  # the driver would take a host name
        raise Stop(ExitCode.REFUSED, reason)
    try:
        return MongoClient(
            url,
            serverSelectionTimeoutMS=_REACH_MILLISECONDS,
            connectTimeoutMS=_REACH_MILLISECONDS,
            # A build takes as long as it takes, whatever the service's URL says.
            timeoutMS=None,
            socketTimeoutMS=None,
            appname="mongo_indexes",
            uuidRepresentation="standard",
        )
    except (InvalidURI, ConfigurationError, ValueError):
        raise Stop(ExitCode.REFUSED, reason) from None


def _database(client: MongoClient[Document], name: str | None) -> Database[Document]:
    try:
        return client[name] if name else client.get_default_database()
    except ConfigurationError:
        reason = "which database? Name it in the URL (mongodb://host/database) or use --database"
        raise Stop(ExitCode.REFUSED, reason) from None
    except InvalidName as error:
        raise Stop(ExitCode.REFUSED, f"no name for a database: {error}") from error
