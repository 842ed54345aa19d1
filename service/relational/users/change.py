"""Changes of a user: PATCH of some fields and PUT of all, with the same rules."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import case, func, select

from service.auth.passwords import hash_password
from service.relational.users.repository import UserNotFound, UserRepository
from service.relational.users.schemas import UserRead, UserReplace, UserUpdate
from service.relational.users.stored_emails import same_email, stored_form
from service.relational.users.tables import User
from service.web.conditional import Expected
from service.web.schemas import changes

# Fields that users may not choose for themselves; the last two cannot be read, so PUT lacks them.
_PRIVILEGED = ("status", "is_active", "role", "password", "email_verified")


class UserChanges(UserRepository):
    """A change of what users may not choose for themselves demands ``users:admin``."""

    async def change(self, user_id: UUID, change: UserUpdate, expected: Expected) -> UserRead:
        values = changes(change)
        if "email" in values:
            values["email"] = await self._stored_form(user_id, values["email"])
        return await self._apply(user_id, values, expected)

    async def replace(self, user_id: UUID, user: UserReplace, expected: Expected) -> UserRead:
        """Change all that users choose for themselves, and privileged fields that are sent.

        Privileged fields and an email that are sent as they are stored count as unchanged: they
        need no scope, and the audit trail does not mention them.
        """
        values = user.model_dump()
        values["email"] = await self._stored_form(user_id, user.email)
        compared = [name for name in ("email", *_PRIVILEGED) if name in values]
        columns = [getattr(User, name) for name in compared]
        locked = select(*columns).where(User.id == user_id, self.visible()).with_for_update()
        stored = (await self._session.execute(locked)).one_or_none()
        if stored is None:
            raise UserNotFound
        for name, value in zip(compared, stored, strict=True):
            if values[name] == value:
                del values[name]
        return await self._apply(user_id, values, expected)

    async def _stored_form(self, user_id: UUID, email: str) -> str:
        owner = (User.id == user_id) & self.visible()
        return await stored_form(self._session, email, owner)

    async def _apply(self, user_id: UUID, values: dict[str, Any], expected: Expected) -> UserRead:
        privileged = [f"/{name}" for name in _PRIVILEGED if name in values]
        if privileged:
            self._caller.require_scope("users:admin", *privileged)
        if "password" in values:
            values["password_hash"] = await hash_password(values.pop("password"))
            # Not now(): a login that waited for the row is younger than this transaction.
            values["password_changed_at"] = func.clock_timestamp()
        verified = values.pop("email_verified", None)
        if verified is not None:
            values["email_verified_at"] = func.now() if verified else None
        elif "email" in values:
            is_same = same_email(User.email, values["email"])
            values["email_verified_at"] = case((is_same, User.email_verified_at))
        before = await self._lock_role(user_id, values)
        await self._change_user(user_id, values, expected)
        after = await self.get(user_id)
        if verified is not None:
            values["email_verified"] = verified
        await self._note_change(before, after, values)
        return after

    async def _lock_role(self, user_id: UUID, values: Mapping[str, Any]) -> str | None:
        """Return the role, locked until the transaction ends, if the change is about power."""
        if "role" not in values and "password_hash" not in values:
            return None
        locked = select(User.role).where(User.id == user_id, self.visible()).with_for_update()
        role = await self._session.scalar(locked)
        for power in (role, values.get("role")):
            if power is not None:
                self.require_reach(power)
        return role

    async def _note_change(
        self, before: str | None, after: UserRead, values: Mapping[str, Any]
    ) -> None:
        if "password_hash" in values:
            await self._trail.note(self._session, "password_changed", subject_id=after.id)
        if before is not None and before != after.role:
            details = {"before": before, "after": after.role}
            await self._trail.note(
                self._session, "role_changed", subject_id=after.id, details=details
            )
        changed: dict[str, Any] = {
            name: values[name]
            for name in ("status", "is_active", "email_verified")
            if name in values
        }
        if "email" in values:
            changed["email"] = "changed"
        if changed:
            await self._trail.note_all(self._session, "user_changed", [after.id], changed)


UserChangesDep = Annotated[UserChanges, Depends(UserChanges.from_request)]
