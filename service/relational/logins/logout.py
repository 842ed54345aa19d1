"""Logins end by revoking a token and by changing the password."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.access_tokens import Keyring
from service.auth.caller import InvalidToken, address_of
from service.auth.passwords import hash_password
from service.auth.rate_limits import RateLimiter
from service.core.errors import BadRequest
from service.relational.api_keys.verification import PREFIX as KEY_PREFIX
from service.relational.audit.repository import AuditTrail
from service.relational.logins import repository as logins
from service.relational.logins.own_password import OwnPassword, WrongPassword
from service.relational.logins.repository import InvalidGrant, hash_token
from service.relational.logins.schemas import PasswordChange, RevokeRequest
from service.relational.logins.token_grants import PREFIX, parse_refresh
from service.stores.sql.context import SqlContext, SqlService


class UnsupportedToken(BadRequest):
    code, title = "unsupported_token_type", "API keys cannot be revoked here"
    detail = "Revoke a key and its access tokens with DELETE /v1/api_keys/{key_id}."
    extra_fields = {"error": "unsupported_token_type"}


_CURRENT = "/current_password"


class Logout(SqlService):
    """Answers ``POST /v1/auth/revoke`` and ``POST /v1/me/password``."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        request = context.request
        self._sql = context.store
        self._trail = AuditTrail(request, context.caller)
        self._address = address_of(request)
        self._authenticator = context.authenticator
        self._rates: RateLimiter = request.state.rates
        self._keyring: Keyring = request.state.keyring

    async def revoke(self, form: RevokeRequest) -> None:
        """End the login of a refresh or access token; ignore an invalid token (RFC 7009).

        Raises:
            UnsupportedToken: the token is an API key, or belongs to one.
        """
        self._rates.count("address", self._address)
        try:
            login_id, hashed = self._login_of(form.token.get_secret_value())
        except (InvalidGrant, InvalidToken):
            return

        async def end(session: AsyncSession) -> None:
            user_id = await logins.end_login(session, login_id, hashed)
            if user_id is not None:
                await self._trail.note(session, "token_revoked", subject_id=user_id)

        await self._sql.run(end, writes=True)
        self._authenticator.invalidate(login_id)

    def _login_of(self, token: str) -> tuple[UUID, bytes | None]:
        if token.startswith(PREFIX):
            login_id, secret = parse_refresh(token)
            return login_id, hash_token(secret)
        if token.startswith(KEY_PREFIX):
            raise UnsupportedToken
        claims = self._keyring.read(token)
        if claims.login_id is None:
            raise UnsupportedToken
        return claims.login_id, None

    async def change_password(self, body: PasswordChange) -> None:
        """Change the caller's own password and end every login of theirs, this one too.

        Raises:
            PeopleOnly: the caller is an API key.
            WrongPassword: the current password is another.
        """
        user = await OwnPassword(self._context).check(body.current_password, _CURRENT)
        hashed = await hash_password(body.new_password)

        async def change(session: AsyncSession) -> bool:
            changed = await logins.change_password(session, user, hashed, ends_logins=True)
            if changed:
                await self._trail.note(session, "password_changed", subject_id=user.id)
            return changed

        if not await self._sql.run(change, writes=True):
            raise WrongPassword(_CURRENT)
        self._authenticator.invalidate_user(user.id)


LogoutDep = Annotated[Logout, Depends(Logout.from_request)]
