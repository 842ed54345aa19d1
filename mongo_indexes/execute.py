"""Executing each kind of step, and explaining the server's refusals in plain English."""

from collections.abc import Callable, Mapping
from typing import Any

from bson import json_util
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from mongo_indexes.declare import Index
from mongo_indexes.step import Kind, Step

Document = dict[str, Any]

_INDEX_NOT_FOUND = 27
_NAMESPACE_EXISTS = 48
_DUPLICATE_KEY = 11000
_CANNOT_CONVERT_TO_UNIQUE = 359
_CANNOT_CREATE_INDEX = 67
_CANNOT_INDEX_PARALLEL_ARRAYS = 171

_REFUSALS = frozenset(
    {
        _DUPLICATE_KEY,
        _CANNOT_CONVERT_TO_UNIQUE,
        _CANNOT_CREATE_INDEX,
        _CANNOT_INDEX_PARALLEL_ARRAYS,
    }
)


class StepRefused(Exception):
    """The data or the server does not allow a step.

    Everything is as it was before, or the message names the indexes that are not.
    """


def execute(database: Database[Document], step: Step) -> None:
    """Execute one step; executing it again does no harm.

    Raises StepRefused (duplicates, an index that MongoDB cannot build) or PyMongoError.
    """
    if not step.changes:
        return
    try:
        _HANDLERS[step.kind](database, step)
    except OperationFailure as error:
        if error.code in _REFUSALS:
            raise StepRefused(_explain(step, error)) from error
        raise


def _create_collection(database: Database[Document], step: Step) -> None:
    try:
        database.create_collection(step.collection, check_exists=False)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:  # a first insert created it in the meantime
            raise


def _set_validator(database: Database[Document], step: Step) -> None:
    database.command(
        "collMod",
        step.collection,
        validator=step.validator or {},
        validationLevel="strict",
        validationAction="error",
    )


def _create_index(database: Database[Document], step: Step) -> None:
    # If an identical build is running, the server answers when that one is done.
    database[step.collection].create_indexes([_index(step).model()])


def _change_ttl(database: Database[Document], step: Step) -> None:
    _modify(database, step, expireAfterSeconds=_index(step).ttl_seconds)


def _make_unique(database: Database[Document], step: Step) -> None:
    # Needs neither a gap nor a second index: from prepareUnique on, new duplicates are refused.
    _modify(database, step, prepareUnique=True)
    try:
        _modify(database, step, unique=True)
    except OperationFailure:
        _modify(database, step, prepareUnique=False)
        raise


def _replace(database: Database[Document], step: Step) -> None:
    for document in step.drops:
        _drop(database, step.collection, document["name"])
    try:
        _create_index(database, step)
    except OperationFailure as error:
        outcome = _restore(database, step)
        if error.code in _REFUSALS:
            raise StepRefused(f"{_explain(step, error)}; {outcome}") from error
        raise


def _restore(database: Database[Document], step: Step) -> str:
    """Build the dropped indexes again; return the outcome as a clause for the error message."""
    names = ", ".join(document["name"] for document in step.drops)
    try:
        database.command("createIndexes", step.collection, indexes=list(step.drops))
    except OperationFailure as error:
        return f"dropped indexes not built again: {names} ({error_message(error)})"
    return f"dropped indexes built again: {names}"


def _drop_index(database: Database[Document], step: Step) -> None:
    _drop(database, step.collection, step.name)


def _drop(database: Database[Document], collection: str, name: str) -> None:
    try:
        database[collection].drop_index(name)
    except OperationFailure as error:
        if error.code != _INDEX_NOT_FOUND:
            raise


def _modify(database: Database[Document], step: Step, **change: Any) -> None:
    database.command("collMod", step.collection, index={"name": step.name, **change})


def _index(step: Step) -> Index:
    if step.index is None:
        raise ValueError(f"{step.kind} {step.target} carries no index")
    return step.index


_HANDLERS: Mapping[Kind, Callable[[Database[Document], Step], None]] = {
    Kind.CREATE_COLLECTION: _create_collection,
    Kind.SET_VALIDATOR: _set_validator,
    Kind.DROP_VALIDATOR: _set_validator,
    Kind.CREATE_INDEX: _create_index,
    Kind.CHANGE_TTL: _change_ttl,
    Kind.MAKE_UNIQUE: _make_unique,
    Kind.ALLOW_DUPLICATES: lambda database, step: _modify(database, step, prepareUnique=False),
    Kind.HIDE: lambda database, step: _modify(database, step, hidden=True),
    Kind.UNHIDE: lambda database, step: _modify(database, step, hidden=False),
    Kind.REPLACE_INDEX: _replace,
    Kind.DROP_INDEX: _drop_index,
}


def _explain(step: Step, error: OperationFailure) -> str:
    details = error.details or {}
    if error.code == _DUPLICATE_KEY:
        example = json_util.dumps(details.get("keyValue", {}), ensure_ascii=False)
        return f"unique index {step.target}: several documents have {example}"
    if error.code == _CANNOT_CONVERT_TO_UNIQUE:
        groups = details.get("violations", [{}])
        ids = json_util.dumps(groups[0].get("ids", [])[:3])
        return f"unique index {step.target}: several documents have the same value, such as {ids}"
    return f"index {step.target}: {error_message(error)}"


def error_message(error: PyMongoError) -> str:
    """Return the server's message, or the driver's without its description of the topology."""
    if isinstance(error, OperationFailure):
        return str((error.details or {}).get("errmsg", error))
    return str(error).partition(", Timeout: ")[0]
