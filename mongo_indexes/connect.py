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
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from mongo_indexes.database_name import BadMongoUrl, find_database_name
from mongo_indexes.execute import error_message
from mongo_indexes.exit_codes import ExitCode

Document = dict[str, Any]

_CONNECT_MILLISECONDS = 5_000
_INVALID_NAMESPACE = 73  # such as a name of more than 63 bytes
_DATABASE_DIFFERS_IN_CASE = 13297


class CommandFailed(Exception):
    """A command ends with this exit code and message; `details` go into its JSON output."""

    def __init__(self, code: ExitCode, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


@contextmanager
def open_database(url: str | None, name: str | None) -> Iterator[Database[Document]]:
    """Yield the database that `find_database_name` names, once its server has answered.

    Raises CommandFailed.
    """
    if not url:
        raise CommandFailed(ExitCode.REFUSED, "no MongoDB URL: use --url or set MONGODB_URL")
    try:
        name = find_database_name(url, name)
    except BadMongoUrl as error:
        raise CommandFailed(ExitCode.REFUSED, str(error)) from None
    with _client(url) as client:
        try:
            database = client[name]
            database.command("ping")
        except PyMongoError as error:
            raise translate(error, name) from error
        yield database


def translate(error: PyMongoError, database: str) -> CommandFailed:
    """Return the end of a command because of this error: REFUSED for a bad name, else FAILED."""
    message = error_message(error)
    refused = isinstance(error, OperationFailure) and error.code in {
        _INVALID_NAMESPACE,
        _DATABASE_DIFFERS_IN_CASE,
    }
    if refused or isinstance(error, InvalidName):
        message = f"MongoDB refuses {database!r} as the name of a database: {message}"
        return CommandFailed(ExitCode.REFUSED, message)
    if isinstance(error, ServerSelectionTimeoutError):
        message = f"no MongoDB within 5 s: {message}"
    return CommandFailed(ExitCode.FAILED, message)


def _client(url: str) -> MongoClient[Document]:
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
        # The driver's error is dropped: its text can quote a secret among the options.
        message = "the driver refuses the MongoDB URL: correct its hosts or its options"
        raise CommandFailed(ExitCode.REFUSED, message) from None
