"""What PostgreSQL and its driver say, as refusals: by constraint name first, then by SQLSTATE."""

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError, NotSupportedError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.core.errors import Conflict, QueryTooSlow, Refused, ServiceError, Unavailable


class SqlUnreachable(Unavailable):
    detail = "PostgreSQL is not reachable."


class SqlBusy(Unavailable):
    store_fails = False
    code, detail = "busy", "All connections to PostgreSQL are in use."


class Collision(Unavailable):
    store_fails = False
    code, detail = "collision", "Too many changes to the same rows at once; try again."


class Locked(Unavailable):
    store_fails = False
    code, detail = "locked", "Another change holds these rows; try again."


class SchemaBehind(Unavailable):
    code = "schema_behind"
    detail = "The schema is behind; the operator runs `polystore migrate apply`."


class ValueOutOfRange(Refused):
    code, detail = "out_of_range", "A value is outside what can be stored."


_TRY_AGAIN = ("40001", "40P01")

# By SQLSTATE, or by its class of two characters (PostgreSQL manual, appendix A).
_BY_STATE: dict[str, type[ServiceError]] = {
    **dict.fromkeys(("23505", "23503", "23P01"), Conflict),
    **dict.fromkeys(_TRY_AGAIN, Collision),
    **dict.fromkeys(("42P01", "42703"), SchemaBehind),
    "55P03": Locked,
    "57014": QueryTooSlow,
    **dict.fromkeys(("22", "23", "54"), ValueOutOfRange),
    **dict.fromkeys(("08", "25", "28", "3D", "53", "57"), SqlUnreachable),
}


def translate_sql_error(error: Exception) -> ServiceError | None:
    """What a driver error means to a client; None if it has nothing to do with the store."""
    if isinstance(error, PoolTimeout):
        return SqlBusy()
    if is_collision(error):
        return Collision()
    cause: BaseException | None = error
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return SqlUnreachable()
        cause = _cause(error)
    elif isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):  # a connection could not be made
        cause = error.__cause__
    if isinstance(cause, asyncpg.PostgresError):
        name, state = getattr(cause, "constraint_name", None), cause.sqlstate or ""
        by_name = ServiceError.by_constraint.get(name or "")
        kind = by_name or _BY_STATE.get(state) or _BY_STATE.get(state[:2])
        return kind() if kind is not None else None
    if isinstance(cause, asyncpg.DataError):  # the driver itself refused to encode a value
        return ValueOutOfRange()
    lost = isinstance(cause, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError)
    return SqlUnreachable() if lost else None


def is_collision(error: Exception) -> bool:
    """Nothing was done, and trying again may succeed.

    A deadlock, a serialization failure, or a migration that changed what a prepared statement
    returns: SQLAlchemy forgets the statement and says so with an error that has no cause.
    """
    if not isinstance(error, DBAPIError):
        return getattr(error, "sqlstate", "") in _TRY_AGAIN
    cause = _cause(error)
    forgotten = cause is None and isinstance(error, NotSupportedError)
    return forgotten or getattr(cause, "sqlstate", "") in _TRY_AGAIN


def _cause(error: DBAPIError) -> BaseException | None:
    try:
        return error.driver_exception
    except ValueError:  # SQLAlchemy's way to say that the driver raised nothing
        return None
