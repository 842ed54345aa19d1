"""Erasure of a user: by an administrator, or by the user with their password."""

from contextlib import suppress
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.relational.audit.repository import AuditTrail
from service.relational.erasure import repository
from service.relational.erasure.queries import count
from service.relational.erasure.repository import PasswordMissing
from service.relational.erasure.schemas import Erased, UserErase
from service.relational.logins.own_password import OwnPassword
from service.relational.users.repository import UserNotFound
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.session import after_commit
from service.web.conditional import Expected


class Erasure(SqlService):
    """Ends the user's logins and keys; then removes the user in one transaction.

    It locks their row first, so that their own writes under way end, and others fail.
    """

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._authenticator = context.authenticator
        self._trail = AuditTrail(context.request, context.caller)

    async def erase(self, user_id: UUID, proof: UserErase | None, expected: Expected) -> Erased:
        """Remove the user and what belongs to them; return what was removed and what is kept.

        Raises:
            UserNotFound: there is no such user whom the caller sees.
            RoleTooStrong: the caller is an API key, and the user an administrator.
            PeopleOnly, PasswordMissing, WrongPassword, TooOften: the caller proved nothing.
            PreconditionFailed: the user has another version.
            OwnsSomething: a project would have no owner, or an account has money.
        """
        if not self._caller.has_scope("users:admin"):
            await self._require_proof(user_id, proof)
        await self._end_credentials(user_id, expected)
        session = self._session
        await repository.begin(session)  # a replay ends here
        await repository.lock(session, user_id, expected, by_key=self._is_key)
        removed, kept = await count(session, user_id)
        await repository.remove(session, user_id)
        is_self = user_id == self._caller.user_id
        await self._trail.note(session, "user_erased", subject_id=user_id, with_address=not is_self)
        after_commit(session, partial(self._authenticator.invalidate_user, user_id))
        return Erased(id=user_id, removed=removed, kept=kept)

    @property
    def _is_key(self) -> bool:
        return self._caller.key_id is not None

    async def _end_credentials(self, user_id: UUID, expected: Expected) -> None:
        """End them in a transaction of its own, so that requests to come are refused.

        It comes before the first statement of the erasure, which takes a connection and holds it.
        """

        async def end(session: AsyncSession) -> None:
            logins, keys = await repository.end_credentials(
                session, user_id, expected, by_key=self._is_key
            )
            if logins:
                await self._trail.note(session, "token_revoked", subject_id=user_id)
            await self._trail.note_all(session, "key_revoked", keys, {})

        with suppress(UserNotFound):  # a replay, else ``lock`` raises it
            await self._context.store.run(end, writes=True)
        self._authenticator.invalidate_user(user_id)

    async def _require_proof(self, user_id: UUID, proof: UserErase | None) -> None:
        if user_id != self._caller.user_id:
            raise UserNotFound
        if proof is None or proof.password is None:
            raise PasswordMissing
        await OwnPassword(self._context).check(proof.password, "/password")


ErasureDep = Annotated[Erasure, Depends(Erasure.from_request)]
