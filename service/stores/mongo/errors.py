"""Translation of driver errors to service errors: by index name, then by code or class."""

from collections.abc import Mapping
from typing import Any

import structlog
from bson.errors import InvalidDocument
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)

from service.core.errors import (
    Conflict,
    OutcomeUnknown,
    QueryTooSlow,
    Refused,
    ServiceError,
    TooLarge,
    Unavailable,
)


class MongoUnreachable(Unavailable):
    detail = "MongoDB is not reachable; repeat the request later."


class MongoBusy(Unavailable):
    code, detail = "busy", "All connections to MongoDB are in use; repeat the request later."


class MongoFull(Unavailable):
    store_fails = False  # it reads on
    code, title = "store_full", "MongoDB has no space left"
    detail = "Repeat the request when the operator has made space; what is stored can be read."


class MongoWriteFailed(OutcomeUnknown):
    """A write that failed for a reason that no client can mend; it is logged."""

    store_fails = False  # it answers


class DocumentRefused(Refused):
    code, detail = (
        "document_refused",
        "Correct the document, because it breaks a rule of its collection.",
    )


# mongo/src/mongo/base/error_codes.yml: network, authentication, interruption, elections, shutdown,
# a majority that is not known yet
_UNREACHABLE = frozenset(
    (6, 7, 13, 18, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436)
)
_BY_CODE: dict[int, type[ServiceError]] = {
    50: QueryTooSlow,  # MaxTimeMSExpired
    121: DocumentRefused,  # DocumentValidationFailure
    14031: MongoFull,  # OutOfDiskSpace
    **dict.fromkeys(_UNREACHABLE, MongoUnreachable),
}


class DocumentTooLong(TooLarge):
    detail = "Send a document of at most 16 MiB."


_log = structlog.get_logger(__name__)
# The first match counts. After a broken connection the outcome of a write is unknown.
_BY_CLASS: tuple[tuple[type[Exception], type[ServiceError]], ...] = (
    (ServerSelectionTimeoutError, MongoUnreachable),
    (ConnectionFailure, OutcomeUnknown),
    (WriteConcernError, OutcomeUnknown),
    (DocumentTooLarge, DocumentTooLong),
    (InvalidDocument, DocumentRefused),
    (OverflowError, DocumentRefused),
)


def translate_mongo_error(error: Exception) -> ServiceError | None:
    """Return the service error for a driver error; None if the store is not its cause."""
    if isinstance(error, DuplicateKeyError):
        by_constraint = ServiceError.by_constraint.get(violated_index(error.details or {}))
        return (by_constraint or Conflict)()
    if _is_interrupted(error):
        return OutcomeUnknown()
    if isinstance(error, OperationFailure) and error.code in _BY_CODE:
        return _BY_CODE[error.code]()
    matches = (translated for kind, translated in _BY_CLASS if isinstance(error, kind))
    service_error = next(matches, None)
    if service_error is None and isinstance(error, WriteError | BulkWriteError):
        _log.error("MongoDB refused a write", codes=sorted(_write_codes(error)))
        return MongoWriteFailed()
    return None if service_error is None else service_error()


def _write_codes(error: WriteError | BulkWriteError) -> set[int]:
    if isinstance(error, BulkWriteError):
        return {failure["code"] for failure in error.details["writeErrors"]}
    return {error.code or 0}


def _is_interrupted(error: Exception) -> bool:
    """Return whether an election or the end of the time left some of the work undone."""
    if isinstance(error, BulkWriteError):
        failures = error.details["writeErrors"]
        is_failover = any(failure["code"] in _UNREACHABLE for failure in failures)
        return is_failover or bool(error.details["writeConcernErrors"])
    # The driver's own has no codeName: it waited so long for a primary that no time was left.
    return isinstance(error, ExecutionTimeout) and "codeName" not in (error.details or {})


def violated_index(details: Mapping[str, Any]) -> str:
    """Return the index name in the details of a duplicate key error: ``uq_item_types_name``."""
    _, _, rest = str(details.get("errmsg", "")).partition(" index: ")
    return rest.partition(" ")[0]
