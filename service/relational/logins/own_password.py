"""The caller's own password, asked again before what a stolen token must not do."""

from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Forbidden, Unauthenticated, address_of
from service.auth.passwords import verify_password
from service.auth.rate_limits import RateLimiter
from service.core.errors import field_error
from service.relational.audit.repository import AuditTrail
from service.relational.logins import repository as logins
from service.relational.logins.repository import PasswordUser
from service.stores.sql.context import SqlContext


class WrongPassword(Forbidden):
    code, title = "wrong_password", "Current password is wrong"

    def __init__(self, pointer: str) -> None:
        error = field_error(pointer=pointer, code=self.code, detail=f"{self.title}.")
        super().__init__(errors=[error])


class PeopleOnly(Forbidden):
    code, title = "people_only", "API keys cannot do this"
    detail = "Log in with a password: POST /v1/auth/token."


class OwnPassword:
    """Checks a password in sessions of its own, for hashing takes long; counts wrong ones."""

    def __init__(self, context: SqlContext) -> None:
        self._sql, self._caller = context.store, context.caller
        self._trail = AuditTrail(context.request, context.caller)
        self._address = address_of(context.request)
        self._rates: RateLimiter = context.request.state.rates

    async def check(self, password: SecretStr, pointer: str) -> PasswordUser:
        """Return the calling user if it is their password; ``pointer`` is its place in the body.

        Raises:
            PeopleOnly: the caller is an API key.
            WrongPassword: it is another.
            TooOften: too many wrong passwords.
        """
        user_id = self._caller.user_id
        if self._caller.key_id is not None or user_id is None:
            raise PeopleOnly
        self._rates.count("guess", self._address, str(user_id))
        user = await self._sql.run(
            lambda session: logins.find_user_by_id(session, user_id), writes=False
        )
        if user is None:
            raise Unauthenticated
        matches, _ = await verify_password(password, user.password_hash)
        if not matches:
            await self._sql.run(self._note_failure, writes=True)
            raise WrongPassword(pointer)
        self._rates.forget("guess", self._address, str(user_id))
        return user

    async def _note_failure(self, session: AsyncSession) -> None:
        await self._trail.note(session, "login_failed", subject_id=self._caller.user_id)
