"""What MongoDB and its driver say, as refusals: by index name first, then by code or class."""

from collections.abc import Mapping
from typing import Any

from bson.errors import InvalidDocument
from pymongo.errors import (
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
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
    detail = "MongoDB is not reachable."


class MongoBusy(Unavailable):
    code, detail = "busy", "All connections to MongoDB are in use."


class DocumentRefused(Refused):
    code, detail = "document_refused", "The document breaks a rule of its collection."


# mongo/src/mongo/base/error_codes.yml
_BY_CODE: dict[int, type[ServiceError]] = {
    50: QueryTooSlow,  # MaxTimeMSExpired
    121: DocumentRefused,  # DocumentValidationFailure
    # authentication, interruption, elections, shutdown
    **dict.fromkeys(
        (13, 18, 89, 91, 189, 262, 10107, 11600, 11602, 13435, 13436, 14031), MongoUnreachable
    ),
}


class DocumentTooLong(TooLarge):
    detail = "A document of more than 16 MiB cannot be stored."


# The first that fits. A connection that breaks says nothing about what was done over it.
_BY_CLASS: tuple[tuple[type[Exception], type[ServiceError]], ...] = (
    (ServerSelectionTimeoutError, MongoUnreachable),
    (ConnectionFailure, OutcomeUnknown),
    (WriteConcernError, OutcomeUnknown),
    (DocumentTooLarge, DocumentTooLong),
    (InvalidDocument, DocumentRefused),
    (OverflowError, DocumentRefused),
)


def translate_mongo_error(error: Exception) -> ServiceError | None:
    """What a driver error means to a client; None if it has nothing to do with the store."""
    if isinstance(error, DuplicateKeyError):
        by_constraint = ServiceError.by_constraint.get(violated_index(error.details or {}))
        return (by_constraint or Conflict)()
    if isinstance(error, OperationFailure) and error.code in _BY_CODE:
        return _BY_CODE[error.code]()
    kinds = (refusal for kind, refusal in _BY_CLASS if isinstance(error, kind))
    refusal = next(kinds, None)
    return None if refusal is None else refusal()


def violated_index(details: Mapping[str, Any]) -> str:
    """The name of the index a duplicate key error speaks of, such as ``uq_item_types_name``."""
    _, _, rest = str(details.get("errmsg", "")).partition(" index: ")
    return rest.partition(" ")[0]
