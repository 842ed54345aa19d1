"""Administrators made by an operator's command, without a request."""

from typing import NamedTuple
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.passwords import hash_password
from service.relational.audit.repository import note_command
from service.relational.users.stored_emails import same_email, stored_form
from service.relational.users.tables import User


class Administrator(NamedTuple):
    """A user with the role of an administrator."""

    id: UUID
    email: str
    has_email: bool  # the one that was asked for


async def upsert_administrator(
    session: AsyncSession, username: str, email: str, password: SecretStr
) -> Administrator:
    """Create an administrator, or give the user of this name that role and password.

    An existing user keeps their email. A deleted user is restored.

    Raises:
        Refused: the email is not accepted, and is not that of the user of this name.
    """
    is_named = func.lower(User.username) == func.lower(username)
    email = await stored_form(session, email, is_named)
    values = {
        "password_hash": await hash_password(password),
        "role": "admin",
        "status": "active",
        "is_active": True,
        "deleted_at": None,
    }
    # A new password ends every login by the old one.
    changes = {**values, "password_changed_at": func.clock_timestamp(), "version": User.version + 1}
    statement = (
        insert(User)
        .values(username=username, email=email, **values)
        .on_conflict_do_update(index_elements=[func.lower(User.username)], set_=changes)
        .returning(User.id, User.email, same_email(User.email, email).label("has_email"))
    )
    row = (await session.execute(statement)).one()
    await note_command(session, "role_changed", subject_id=row.id)
    return Administrator(row.id, row.email, row.has_email)
