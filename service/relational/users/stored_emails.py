"""Stored emails: how they are compared, and that those from before today's rule are valid.

PostgreSQL compares emails by its function ``email_key``, on which the unique index is built; the
rule is in ``sql_migrations/email_keys.py``. Users with an email that is not accepted any more log
in with it, are invited by it, and may send it again unchanged.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Refused, field_error
from service.relational.users.emails import EmailNotValid, normalize_email
from service.relational.users.tables import User


def same_email(column: Any, email: Any) -> ColumnElement[bool]:
    """Return the condition of rows whose email is the same as ``email``."""
    is_same: ColumnElement[bool] = func.email_key(column) == func.email_key(email)
    return is_same


async def stored_form(session: AsyncSession, email: str, owner: ColumnElement[bool]) -> str:
    """Return the email as it is stored; one that is not accepted today, as its owner has it.

    ``owner`` is the condition of users who may have it. The caller sees all of them, else the
    answer reveals who has the email.

    Raises:
        Refused: it is not accepted, and no ``owner`` has it.
    """
    try:
        return normalize_email(email)
    except EmailNotValid as error:
        return await _stored(session, email, owner, error)


async def invited_form(session: AsyncSession, email: str) -> str:
    """Return the email of an invitation as it is stored; one that is not accepted today, as typed.

    The answer reveals that there is a user with such an email, but not how the user wrote it.

    Raises:
        Refused: it is not accepted, and no user who is not deleted has it.
    """
    try:
        return normalize_email(email)
    except EmailNotValid as error:
        await _stored(session, email, User.deleted_at.is_(None), error)
        return email


async def _stored(
    session: AsyncSession, email: str, owner: ColumnElement[bool], error: EmailNotValid
) -> str:
    known = select(User.email).where(same_email(User.email, email), owner)
    stored = await session.scalar(known)
    if stored is None:
        refused = field_error(pointer="/email", code="email", detail=str(error))
        raise Refused(f"{error}.", errors=[refused]) from error
    return stored
