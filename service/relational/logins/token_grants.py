"""The grants of OAuth 2: a password, a refresh token or an API key becomes an access token.

RFC 6749, with refresh tokens that are valid once (RFC 9700, section 4.14.2).
"""

import base64
import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import unquote_plus
from uuid import UUID

from fastapi import Depends
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.access_tokens import Claims, Keyring
from service.auth.caller import Caller, InvalidToken, address_of
from service.auth.passwords import verify_password
from service.auth.rate_limits import RateLimiter
from service.auth.roles import SCOPES, expanded, scopes_of
from service.relational.api_keys.verification import PREFIX as KEY_PREFIX
from service.relational.api_keys.verification import hash_secret, parse_key, secret_id_of
from service.relational.audit.repository import AuditTrail
from service.relational.logins import repository as logins
from service.relational.logins.repository import (
    IncompleteGrant,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    PasswordUser,
    UnsupportedGrant,
    hash_token,
)
from service.relational.logins.schemas import TokenRead, TokenRequest
from service.stores.sql.context import SqlContext, SqlService

PREFIX = "rt_"


class TokenGrants(SqlService):
    """Answers ``POST /v1/auth/token``; opens a session for each step, for hashing takes long."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        request, settings = context.request, context.settings
        self._request, self._sql = request, context.store
        self._trail = AuditTrail(request, context.caller)
        self._address = address_of(request)
        self._authenticator = context.authenticator
        self._rates: RateLimiter = request.state.rates
        self._keyring: Keyring = request.state.keyring
        self._access = timedelta(seconds=settings.access_token_seconds)
        self._refresh = timedelta(days=settings.refresh_token_days)

    async def exchange(self, form: TokenRequest) -> TokenRead:
        """Return tokens for the grant of a form.

        Raises:
            InvalidGrant, InvalidClient: the credentials are not valid.
            IncompleteGrant, UnsupportedGrant, InvalidScope: the form is not valid.
            TooOften: too many attempts from this address.
        """
        self._rates.count("address", self._address)
        if _requested_scopes(form) - SCOPES.keys():
            raise InvalidScope
        if form.grant_type == "password":
            return await self._by_password(form)
        if form.grant_type == "refresh_token":
            return await self._by_refresh(form)
        if form.grant_type == "client_credentials":
            return await self._by_key(form)
        raise UnsupportedGrant

    async def _by_password(self, form: TokenRequest) -> TokenRead:
        if form.username is None or form.password is None:
            raise IncompleteGrant("username", "password")
        name = form.username
        self._request.state.rate_limit_headers = self._rates.count("login", self._address)
        user = await self._sql.run(lambda session: logins.find_user(session, name), writes=False)
        # Counted by user id, because a user has two names.
        account = name.lower() if user is None else str(user.id)
        self._rates.count("guess", self._address, account)
        stored = None if user is None else user.password_hash
        matches, better = await verify_password(form.password, stored)
        if user is None or not matches:
            await self._note_failure(None if user is None else user.id)
            raise InvalidGrant
        if not _requested_scopes(form) <= scopes_of(user.role):
            await self._note_failure(user.id)
            raise InvalidScope
        self._rates.forget("guess", self._address, account)
        if better is not None:
            user = await self._rehash(user, form.password, better)
        return await self._open(user, _requested_scopes(form) or scopes_of(user.role))

    async def _note_failure(self, subject: UUID | None) -> None:
        """Note a failed login without its name, which may be a mistyped password."""

        async def note(session: AsyncSession) -> None:
            await self._trail.note(session, "login_failed", subject_id=subject)

        await self._sql.run(note, writes=True)

    async def _rehash(self, user: PasswordUser, password: SecretStr, better: str) -> PasswordUser:
        async def change(session: AsyncSession) -> bool:
            return await logins.change_password(session, user, better, ends_logins=False)

        if await self._sql.run(change, writes=True):
            return user._replace(password_hash=better)
        # Another login has rehashed it meanwhile, or the password was changed.
        now = await self._sql.run(
            lambda session: logins.find_user_by_id(session, user.id), writes=False
        )
        stored = None if now is None else now.password_hash
        matches, _ = await verify_password(password, stored)
        if now is None or not matches:
            raise InvalidGrant
        return now

    async def _open(self, user: PasswordUser, scopes: frozenset[str]) -> TokenRead:
        secret = secrets.token_urlsafe(32)

        async def work(session: AsyncSession) -> UUID | None:
            hashed = hash_token(secret)
            login_id = await logins.open_login(session, user, hashed, scopes, self._refresh)
            if login_id is not None:
                by = Caller(user.id)
                await self._trail.note(session, "login", subject_id=user.id, by=by)
            return login_id

        login_id = await self._sql.run(work, writes=True)
        if login_id is None:
            raise InvalidGrant
        return self._tokens(Claims(user.id, scopes, login_id=login_id), secret)

    async def _by_refresh(self, form: TokenRequest) -> TokenRead:
        if form.refresh_token is None:
            raise IncompleteGrant("refresh_token")
        login_id, old = parse_refresh(form.refresh_token.get_secret_value())
        secret = secrets.token_urlsafe(32)

        async def work(session: AsyncSession) -> Claims | None:
            old_hash, new_hash = hash_token(old), hash_token(secret)
            rotated = await logins.rotate(session, login_id, old_hash, new_hash)
            if rotated is not None:  # an error here leaves the old token valid
                scopes = _limit_scopes(expanded(rotated.scopes), form)
                return Claims(rotated.user_id, scopes, login_id=login_id)
            victim = await logins.end_reused(session, login_id, old_hash)
            if victim is not None:
                await self._trail.note(session, "token_reused", subject_id=victim)
            return None

        claims = await self._sql.run(work, writes=True)
        if claims is None:  # raised inside, it would roll back the end of the login
            self._authenticator.invalidate(login_id)
            raise InvalidGrant
        return self._tokens(claims, secret)

    async def _by_key(self, form: TokenRequest) -> TokenRead:
        token = self._key_of(form)
        key = parse_key(token)
        try:
            caller = await self._authenticator.resolve_token(token)
        except InvalidToken:
            await self._note_failure(key and key.id)
            raise InvalidClient from None
        if key is None or caller.user_id is None:
            raise InvalidClient
        self._request.state.rate_limit_headers = self._rates.count("caller", caller.name)
        scopes, secret_id = (
            _limit_scopes(caller.scopes, form),
            secret_id_of(hash_secret(key.secret)),
        )
        return self._tokens(Claims(caller.user_id, scopes, None, caller.key_id, secret_id), None)

    def _key_of(self, form: TokenRequest) -> str:
        """Return the API key of the form or of HTTP Basic (RFC 6749, section 2.3.1)."""
        client_id = form.client_id
        secret = form.client_secret and form.client_secret.get_secret_value()
        kind, _, basic = self._request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            client_id, secret = _parse_basic(basic)
        if not client_id or not secret:
            raise IncompleteGrant("client_id", "client_secret")
        name = client_id if client_id.startswith(KEY_PREFIX) else f"{KEY_PREFIX}{client_id}"
        return secret if secret.startswith(f"{name}_") else f"{name}_{secret}"

    def _tokens(self, claims: Claims, refresh: str | None) -> TokenRead:
        return TokenRead(
            access_token=self._keyring.sign(claims, self._access),
            expires_in=int(self._access.total_seconds()),
            scope=" ".join(sorted(claims.scopes)),
            **({} if refresh is None else {"refresh_token": as_refresh(claims, refresh)}),
        )


def as_refresh(claims: Claims, secret: str) -> str:
    """Return ``rt_<login>_<secret>``."""
    assert claims.login_id is not None  # noqa: S101 - a login's claims
    return f"{PREFIX}{claims.login_id.hex}_{secret}"


def parse_refresh(token: str) -> tuple[UUID, str]:
    """Return the login and the secret of a refresh token.

    Raises:
        InvalidGrant: the text is no refresh token.
    """
    login_id, _, secret = token.removeprefix(PREFIX).partition("_")
    try:
        return UUID(login_id), secret
    except ValueError:
        raise InvalidGrant from None


def _requested_scopes(form: TokenRequest) -> frozenset[str]:
    return frozenset((form.scope or "").split())


def _limit_scopes(granted: frozenset[str], form: TokenRequest) -> frozenset[str]:
    if not _requested_scopes(form) <= granted:
        raise InvalidScope
    return _requested_scopes(form) or granted


def _parse_basic(basic: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
    except ValueError:  # neither Base64 nor UTF-8, or not even ASCII
        raise InvalidClient from None
    return unquote_plus(client_id), unquote_plus(secret)


TokenGrantsDep = Annotated[TokenGrants, Depends(TokenGrants.from_request)]
