"""Translate errors of PostgreSQL and its driver: by constraint name first, then by SQLSTATE."""

import asyncpg
import structlog
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, NotSupportedError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.core.errors import (
    Collision,
    Conflict,
    OutcomeUnknown,
    QueryTooSlow,
    Refused,
    ServiceError,
    Unavailable,
)


class SqlUnreachable(Unavailable):
    detail = "PostgreSQL is not reachable; repeat the request later."


class SqlBusy(Unavailable):
    store_fails = False
    code, detail = "busy", "All connections to PostgreSQL are in use; repeat the request later."


class SqlFull(Unavailable):
    store_fails = False  # it reads on
    code, title = "store_full", "PostgreSQL has no space left"
    detail = "Nothing was written. Repeat the request when the operator has made space."


class SqlReadOnly(Unavailable):
    store_fails = False  # it reads on
    code, title = "store_read_only", "PostgreSQL accepts no writes now"
    detail = "Nothing was written. Repeat the request later."


class SqlFailed(OutcomeUnknown):
    """PostgreSQL failed by itself; its log holds the cause."""

    store_fails = False  # it answers


class Locked(Unavailable):
    store_fails = False
    code, title = "locked", "Another transaction locks these rows"
    detail = "Repeat the request later."


class SchemaBehind(Unavailable):
    code, title = "schema_behind", "Database schema is outdated"
    detail = "Ask the operator to run `polystore migrate apply`."


class ValueOutOfRange(Refused):
    code, title = "out_of_range", "Value is out of range"
    detail = "Send values that PostgreSQL can store."


_log = structlog.get_logger(__name__)
_RETRYABLE = ("40001", "40P01")

# By SQLSTATE, or by its class of two characters (PostgreSQL manual, appendix A).
_BY_STATE: dict[str, type[ServiceError]] = {
    **dict.fromkeys(("23505", "23503", "23P01"), Conflict),
    **dict.fromkeys(_RETRYABLE, Collision),
    **dict.fromkeys(("42P01", "42703"), SchemaBehind),
    "55P03": Locked,
    "57014": QueryTooSlow,
    **dict.fromkeys(("22", "23", "54"), ValueOutOfRange),
    "25006": SqlReadOnly,
    "53100": SqlFull,
    "53": SqlBusy,
    **dict.fromkeys(("08", "25", "28", "3D", "57"), SqlUnreachable),
    # Statement completion unknown, objects in use, errors of files, of configuration files, of
    # PostgreSQL itself.
    **dict.fromkeys(("40003", "55", "58", "F0", "XX"), SqlFailed),
}


def translate_sql_error(error: Exception) -> ServiceError | None:
    """Return the error that a client gets; None if the store did not cause it."""
    if isinstance(error, PoolTimeout):
        return SqlBusy()
    if is_collision(error):
        return Collision()
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return SqlUnreachable()
        cause = _cause(error)
    elif isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):  # the connection failed
        cause = error.__cause__
    if isinstance(cause, asyncpg.PostgresError):
        return _by_name_or_state(cause)
    if isinstance(cause, asyncpg.DataError):  # the driver could not encode a value
        return ValueOutOfRange()
    is_lost = isinstance(cause, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)
    return SqlUnreachable() if is_lost else None


def _by_name_or_state(cause: asyncpg.PostgresError) -> ServiceError | None:
    name, state = getattr(cause, "constraint_name", None), cause.sqlstate or ""
    by_name = ServiceError.by_constraint.get(name or "")
    kind = by_name or _BY_STATE.get(state) or _BY_STATE.get(state[:2])
    if kind in (SqlFull, SqlReadOnly, SqlFailed):
        _log.error("PostgreSQL failed", sqlstate=state, error=type(cause).__name__)
    return None if kind is None else kind()


def is_collision(error: Exception) -> bool:
    """Return whether nothing was done and a retry may succeed.

    That is a deadlock, a serialization failure, or a migration that changed what a prepared
    statement returns: SQLAlchemy then drops the statement and raises an error without a cause.
    """
    if not isinstance(error, DBAPIError):
        return getattr(error, "sqlstate", "") in _RETRYABLE
    cause = _cause(error)
    was_dropped = cause is None and isinstance(error, NotSupportedError)
    return was_dropped or getattr(cause, "sqlstate", "") in _RETRYABLE


def _cause(error: DBAPIError) -> BaseException | None:
    try:
        return error.driver_exception
    except ValueError:  # SQLAlchemy raises it if the driver raised nothing
        return None
