"""Ending logins: by handing a token back, and by changing the password."""

from typing import Annotated
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.access_tokens import Keyring
from service.auth.caller import (
    Authenticator,
    CurrentCaller,
    Forbidden,
    InvalidToken,
    Unauthenticated,
    address_of,
)
from service.auth.passwords import hash_password, verify_password
from service.auth.rate_limits import RateLimiter
from service.core.errors import BadRequest
from service.relational.api_keys.verification import PREFIX as KEY_PREFIX
from service.relational.audit.repository import Trail
from service.relational.logins import repository as logins
from service.relational.logins.repository import InvalidGrant, hash_token
from service.relational.logins.schemas import PasswordChange, RevokeRequest
from service.relational.logins.token_grants import PREFIX, parse_refresh
from service.stores.sql.engine import SqlStoreDep
from service.web.context import provided


class WrongPassword(Forbidden):
    code, title, pointer = "wrong_password", "This is not your password", "/current_password"


class UnsupportedToken(BadRequest):
    code, title = "unsupported_token_type", "Keys are not revoked here"
    detail = "DELETE /v1/api_keys/{key_id} ends a key and every access token it was given."
    extra_fields = {"error": "unsupported_token_type"}


class PeopleOnly(Forbidden):
    code, title = "people_only", "A key cannot do this"
    detail = "Log in with a password: POST /v1/auth/token."


class Leaving:
    """Answers ``POST /v1/auth/revoke`` and ``POST /v1/me/password``."""

    def __init__(
        self, request: Request, sql: SqlStoreDep, trail: Trail, caller: CurrentCaller
    ) -> None:
        self._sql, self._trail, self._caller = sql, trail, caller
        self._address = address_of(request)
        self._authenticator: Authenticator = request.state.authenticator
        self._rates: RateLimiter = request.state.rates
        self._keyring: Keyring = request.state.keyring

    async def revoke(self, form: RevokeRequest) -> None:
        """Ends the login of a refresh or access token; what is none is passed over (RFC 7009).

        Raises:
            UnsupportedToken: it is of a key, which is revoked at an address of its own.
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

    async def change_password(self, change: PasswordChange) -> None:
        """Changes the caller's own password; every login of theirs ends, this one too.

        Raises:
            PeopleOnly: a key is no person.
            WrongPassword: the current one is another.
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
        good, _ = await verify_password(change.current_password, user.password_hash)
        if not good:
            await self._sql.run(self._note_failure, writes=True)
            raise WrongPassword
        hashed = await hash_password(change.new_password)

        async def put(session: AsyncSession) -> bool:
            changed = await logins.change_password(session, user, hashed, ends_logins=True)
            if changed:
                await self._trail.note(session, "password_changed", subject_id=user_id)
            return changed

        if not await self._sql.run(put, writes=True):
            raise WrongPassword
        self._rates.forget("guess", self._address, str(user_id))
        self._authenticator.invalidate_user(user_id)

    async def _note_failure(self, session: AsyncSession) -> None:
        await self._trail.note(session, "login_failed", subject_id=self._caller.user_id)


Leave = Annotated[Leaving, provided(Leaving)]
