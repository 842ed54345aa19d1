"""Opening a command's database. No message repeats the URL, because it may hold a password."""

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

from mongo_indexes.execute import error_message
from mongo_indexes.exit_codes import ExitCode

Document = dict[str, Any]

_CONNECT_MILLISECONDS = 5_000


class CommandFailed(Exception):
    """A command ends with this exit code and message; `details` go into its JSON output."""

    def __init__(self, code: ExitCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


@contextmanager
def open_database(url: str | None, name: str | None) -> Iterator[Database[Document]]:
    """Yield the database `name`, by default the one in the URL, once its server has answered.

    Raises CommandFailed.
    """
    if not url:
        raise CommandFailed(ExitCode.REFUSED, "no MongoDB URL: use --url or set MONGODB_URL")
    with _client(url) as client:
        database = _database(client, name)
        try:
            client.admin.command("ping")
        except ServerSelectionTimeoutError as error:
            message = f"no MongoDB within 5 s: {error_message(error)}"
            raise CommandFailed(ExitCode.FAILED, message) from error
        except PyMongoError as error:
            raise CommandFailed(ExitCode.FAILED, error_message(error)) from error
        yield database


def _client(url: str) -> MongoClient[Document]:
    # The driver's error is dropped: its text can quote a piece of a badly escaped password.
    message = "not a MongoDB URL (escape : / ? # [ ] @ % in user name and password)"
    if not url.startswith(("mongodb://", "mongodb+srv://")):  # the driver accepts a host name
        raise CommandFailed(ExitCode.REFUSED, message)
    try:
        return MongoClient(
            url,
            serverSelectionTimeoutMS=_CONNECT_MILLISECONDS,
            connectTimeoutMS=_CONNECT_MILLISECONDS,
            # The service's URL may set timeouts, but an index build has no upper limit.
            timeoutMS=None,
            socketTimeoutMS=None,
            appname="mongo_indexes",
            uuidRepresentation="standard",
        )
    except (InvalidURI, ConfigurationError, ValueError):
        raise CommandFailed(ExitCode.REFUSED, message) from None


def _database(client: MongoClient[Document], name: str | None) -> Database[Document]:
    try:
        return client[name] if name else client.get_default_database()
    except ConfigurationError:
        message = "no database: name it in the URL (mongodb://host/database) or use --database"
        raise CommandFailed(ExitCode.REFUSED, message) from None
    except InvalidName as error:
        raise CommandFailed(ExitCode.REFUSED, f"not a database name: {error}") from error
