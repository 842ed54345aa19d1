"""The grants of OAuth 2: a password, a refresh token or an API key becomes an access token.

RFC 6749, with refresh tokens that are good once (RFC 9700, section 4.14.2).
"""

import base64
import binascii
import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import unquote_plus
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import (
    Caller,
    CurrentCaller,
    Gatekeeper,
    InvalidToken,
    address_of,
)
from service.access.passwords import verify_password
from service.access.rates import Rates
from service.access.roles import expanded, scopes_of
from service.access.tokens import Claims, Keyring
from service.audit.repository import Trail
from service.logins import repository as logins
from service.logins.repository import (
    IncompleteGrant,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    PasswordUser,
    UnsupportedGrant,
    hash_token,
)
from service.logins.schemas import TokenRead, TokenRequest
from service.provide import provided
from service.sql import SqlStore

PREFIX = "rt_"


class Grants:
    """Answers ``POST /v1/auth/token``."""

    def __init__(
        self, request: Request, sql: SqlStore, trail: Trail, _caller: CurrentCaller
    ) -> None:
        self._request, self._sql, self._trail = request, sql, trail
        self._gate: Gatekeeper = request.state.gate
        self._rates: Rates = request.state.rates
        self._keyring: Keyring = request.state.keyring
        self._access = timedelta(seconds=request.state.settings.access_token_seconds)
        self._refresh = timedelta(days=request.state.settings.refresh_token_days)

    async def exchange(self, form: TokenRequest) -> TokenRead:
        """Tokens for what the form holds.

        Raises:
            InvalidGrant, InvalidClient: it is not good.
            IncompleteGrant, UnsupportedGrant, InvalidScope: the form is not.
            TooOften: too many tries from this address.
        """
        self._rates.check("login", address_of(self._request))
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
        name, address = form.username, address_of(self._request)
        self._rates.count("login", address)
        self._rates.count("guess", address, name.lower())
        user = await self._sql.run(lambda session: logins.find_user(session, name), writes=False)
        kept = None if user is None else user.password_hash
        good, better = await verify_password(form.password, kept)
        if user is None or not good:
            await self._note_failure(user)
            raise InvalidGrant
        self._rates.forget("guess", address, name.lower())
        if better is not None:
            user = await self._rehash(user, better)
        return await self._open(user, _narrowed(scopes_of(user.role), form.scope))

    async def _note_failure(self, user: PasswordUser | None) -> None:
        """What was typed is not kept: it may have been the password."""
        subject = None if user is None else user.id

        async def note(session: AsyncSession) -> None:
            await self._trail.note(session, "login_failed", subject_id=subject)

        await self._sql.run(note, writes=True)

    async def _rehash(self, user: PasswordUser, better: str) -> PasswordUser:
        async def change(session: AsyncSession) -> bool:
            return await logins.change_password(session, user, better, ends_logins=False)

        changed = await self._sql.run(change, writes=True)
        return user._replace(password_hash=better) if changed else user

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

        async def work(session: AsyncSession) -> logins.Rotated | None:
            old_hash, new_hash = hash_token(old), hash_token(secret)
            rotated = await logins.rotate(session, login_id, old_hash, new_hash)
            if rotated is None:
                robbed = await logins.end_reused(session, login_id, old_hash)
                if robbed is not None:
                    await self._trail.note(session, "token_reused", subject_id=robbed)
            return rotated

        rotated = await self._sql.run(work, writes=True)
        if rotated is None:  # only here: raised within, it would take the end of the login back
            self._gate.forget(login_id)
            self._rates.count("login", address_of(self._request))
            raise InvalidGrant
        scopes = _narrowed(expanded(rotated.scopes), form.scope)
        return self._tokens(Claims(rotated.user_id, scopes, login_id=login_id), secret)

    async def _by_key(self, form: TokenRequest) -> TokenRead:
        try:
            caller = await self._gate.recognise(self._key_of(form))
        except InvalidToken:
            self._rates.count("login", address_of(self._request))
            raise InvalidClient from None
        if caller.key_id is None or caller.user_id is None:
            raise InvalidClient
        scopes = _narrowed(caller.scopes, form.scope)
        return self._tokens(Claims(caller.user_id, scopes, key_id=caller.key_id), None)

    def _key_of(self, form: TokenRequest) -> str:
        """The API key, from the form or from HTTP Basic (RFC 6749, section 2.3.1)."""
        client_id = form.client_id
        secret = form.client_secret and form.client_secret.get_secret_value()
        kind, _, basic = self._request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            client_id, secret = _unpacked(basic)
        if not client_id or not secret:
            raise IncompleteGrant("client_id", "client_secret")
        name = client_id if client_id.startswith("pk_") else f"pk_{client_id}"
        return secret if secret.startswith(f"{name}_") else f"{name}_{secret}"

    def _tokens(self, claims: Claims, refresh: str | None) -> TokenRead:
        return TokenRead(
            access_token=self._keyring.sign(claims, self._access),
            expires_in=int(self._access.total_seconds()),
            scope=" ".join(sorted(claims.scopes)),
            **({} if refresh is None else {"refresh_token": as_refresh(claims, refresh)}),
        )


def as_refresh(claims: Claims, secret: str) -> str:
    """``rt_<login>_<secret>``."""
    assert claims.login_id is not None  # noqa: S101 - a login's claims
    return f"{PREFIX}{claims.login_id.hex}_{secret}"


def parse_refresh(token: str) -> tuple[UUID, str]:
    """The login and the secret of a refresh token.

    Raises:
        InvalidGrant: it is none.
    """
    login_id, _, secret = token.removeprefix(PREFIX).partition("_")
    try:
        return UUID(login_id), secret
    except ValueError:
        raise InvalidGrant from None


def _narrowed(all_of_them: frozenset[str], asked: str | None) -> frozenset[str]:
    wanted = frozenset((asked or "").split())
    if not wanted:
        return all_of_them
    if not wanted <= all_of_them:
        raise InvalidScope
    return wanted


def _unpacked(basic: str) -> tuple[str, str]:
    try:
        client_id, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidClient from None
    return unquote_plus(client_id), unquote_plus(secret)


TokenGrants = Annotated[Grants, provided(Grants)]
