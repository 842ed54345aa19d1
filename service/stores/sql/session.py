"""SQLAlchemy's session, with what a request of ours adds: a deadline and a commit that is checked.

Every session is an ``AsyncSession``. Three makers differ in their engine alone: reads run on an
autocommit engine, because a transaction around them costs two round trips; writes run in one
transaction; reports run in a read-only snapshot.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine, ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction

from service.core.circuit_breaker import Deadline

# Keys of ``session.info`` and ``connection.info``.
DEADLINE, ON_BEGIN, AFTER_COMMIT, HAS_FAILED = "deadline", "on_begin", "after_commit", "has_failed"


class NotCommitted(Exception):
    """An error of a statement was swallowed; PostgreSQL would roll back instead of commit."""


class DeadlineSession(Session):
    """A session that starts its deadline before it takes a connection from the pool."""

    def get_bind(self, *args: Any, **options: Any) -> Engine | Connection:
        start_deadline(self)
        return super().get_bind(*args, **options)


def start_deadline(session: Session | AsyncSession) -> None:
    """Start the deadline of a session that has one; a second call changes nothing."""
    deadline: Deadline | None = session.info.get(DEADLINE)
    if deadline is not None:
        deadline.start()


def session_maker(
    engine: AsyncEngine, **execution_options: Any
) -> async_sessionmaker[AsyncSession]:
    """Return what makes sessions on ``engine``, with these execution options of SQLAlchemy."""
    return async_sessionmaker(
        engine.execution_options(**execution_options) if execution_options else engine,
        sync_session_class=DeadlineSession,
        expire_on_commit=False,
        # Statements change rows, not objects: nothing in the session has to follow them.
        execution_options={"synchronize_session": False},
    )


def after_commit(session: AsyncSession, call: Callable[[], None]) -> None:
    """Call it once the session's transaction is durable, and never if it is not."""
    session.info.setdefault(AFTER_COMMIT, []).append(call)


@event.listens_for(DeadlineSession, "after_begin")
def _on_begin(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    connection.info[DEADLINE] = session.info.get(DEADLINE)
    on_begin: Callable[[Connection], None] | None = session.info.pop(ON_BEGIN, None)
    if on_begin is not None:
        on_begin(connection)


def check_commits(engine: Engine) -> None:
    """Raise ``NotCommitted`` where a transaction with a failed statement would be committed.

    PostgreSQL answers such a COMMIT with a rollback, and the driver reports no error. From the
    commit on, the deadline knows that a lost answer leaves the outcome unknown.
    """
    event.listen(engine, "begin", _forget_failure)
    event.listen(engine, "rollback_savepoint", _forget_failure)
    event.listen(engine, "handle_error", _note_failure)
    event.listen(engine, "commit", _check_commit)


def _forget_failure(connection: Connection, *_savepoint: Any) -> None:
    if not connection.invalidated:  # else it was lost, and has no info
        connection.info[HAS_FAILED] = False


def _note_failure(context: ExceptionContext) -> None:
    if context.connection is not None and not context.is_disconnect:
        context.connection.info[HAS_FAILED] = True


def _check_commit(connection: Connection) -> None:
    if connection.info.get(HAS_FAILED):
        raise NotCommitted
    deadline: Deadline | None = connection.info.get(DEADLINE)
    if deadline is not None:
        deadline.committing = True
