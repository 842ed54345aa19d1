"""Authentication of every request, before anything else of it is read.

A login or a key is looked up in PostgreSQL and then cached for 10 s; while PostgreSQL is down
for 15 minutes, so that predictions are still logged.
"""

import asyncio
import hmac
import time
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.access_tokens import Claims, Keyring
from service.auth.authorization import token_of
from service.auth.caller import (
    ANONYMOUS,
    Access,
    Caller,
    InvalidTicket,
    InvalidToken,
    MissingScope,
    Unauthenticated,
    address_of,
)
from service.auth.credential_cache import CredentialCache
from service.auth.credentials import Credential
from service.auth.rate_limits import RateLimiter
from service.auth.roles import expanded
from service.core.errors import ServiceError
from service.relational.api_keys import verification as keys
from service.relational.audit.repository import AuditTrail
from service.relational.logins import repository as logins
from service.stores.sql.engine import SqlStore

RECHECK_SECONDS = 1.0
NOTE_SECONDS = 60.0
MAX_NOTED = 10_000


class SqlAuthenticator:
    """Implements :class:`service.auth.caller.Authenticator`."""

    def __init__(self, sql: SqlStore, keyring: Keyring, rates: RateLimiter) -> None:
        self._sql, self._keyring, self._rates = sql, keyring, rates
        self._logins = CredentialCache(self._find_login)
        self._keys = CredentialCache(self._find_key)
        self._last_noted: dict[UUID, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def authenticate(self, request: Request, access: Access) -> Caller:
        """Return the caller of a request, counted against their rate limit.

        Raises:
            Unauthenticated: credentials are missing or not valid.
            FromOtherSite: a browser sent Basic credentials for a page of another site.
            MissingScope: the credentials lack a scope.
            TooOften: too many requests.
            Unavailable: PostgreSQL is down and the credentials are not cached, or it is busy.
        """
        if not access.asks:
            return ANONYMOUS
        header = request.headers.get("authorization")
        ticket = request.query_params.get("ticket") if access.takes_ticket else None
        if header is None and ticket is None:
            request.state.rate_limit_headers = self._rates.count("address", address_of(request))
            if access.scopes is not None:
                raise Unauthenticated
            return ANONYMOUS
        caller = await self._caller_of(header, ticket, request)
        request.state.rate_limit_headers = self._rates.count("caller", caller.name)
        if access.scopes is not None and not caller.scopes.issuperset(access.scopes):
            raise MissingScope(*sorted(set(access.scopes) - caller.scopes))
        if caller.key_id is not None:
            self._note_use(request, caller, caller.key_id)
        return caller

    async def _caller_of(self, header: str | None, ticket: str | None, request: Request) -> Caller:
        try:
            if header is None:
                return await self._by_ticket(ticket or "", request)
            token = token_of(request, header)
            key = keys.parse_key(token)
            if key is None:
                return await self.resolve_token(token)
            if key.id not in self._keys:  # guesses cost PostgreSQL a bounded number of queries
                self._rates.check("address", address_of(request))
            return await self._by_key(key)
        except Unauthenticated:
            self._rates.count("address", address_of(request))
            raise

    async def resolve_token(self, token: str) -> Caller:
        """Return the caller of an access token or API key.

        Raises:
            InvalidToken: it is not valid.
        """
        if token.startswith(keys.PREFIX):
            key = keys.parse_key(token)
            if key is None:
                raise InvalidToken
            return await self._by_key(key)
        return await self._by_claims(self._keyring.read(token))

    async def _by_ticket(self, ticket: str, request: Request) -> Caller:
        """Return the caller of a ticket; ``request.state.ticket_opens`` is then what it opens.

        Its time is checked once: what it has opened ends with the login or the key.
        """
        state = request.state
        try:
            if not hasattr(state, "ticket_opens"):
                state.ticket_claims, state.ticket_opens = self._keyring.read_ticket(ticket)
            return await self._by_claims(state.ticket_claims)
        except InvalidToken as error:
            raise InvalidTicket from error

    async def _by_claims(self, claims: Claims) -> Caller:
        if claims.key_id is not None:
            return _as_caller(claims, await self._keys.get(claims.key_id))
        if claims.login_id is not None:
            return _as_caller(claims, await self._logins.get(claims.login_id))
        raise InvalidToken

    def invalidate(self, credential_id: UUID) -> None:
        """Ask PostgreSQL about a login or a key again at the next request."""
        self._logins.invalidate(credential_id)
        self._keys.invalidate(credential_id)

    def invalidate_user(self, user_id: UUID) -> None:
        """Ask PostgreSQL about every login and key of a user again."""
        for cache in (self._logins, self._keys):
            cache.invalidate_where(lambda credential: credential.user_id == user_id)

    async def drain(self) -> None:
        """Wait for the queries under way to PostgreSQL."""
        await self._logins.drain()
        await self._keys.drain()
        if self._notes:
            await asyncio.wait(self._notes)

    async def _by_key(self, key: keys.Key) -> Caller:
        secret_hash = keys.hash_secret(key.secret)
        credential = await self._keys.get(key.id)
        if credential is not None and not _matches(secret_hash, credential):
            # Another process may have rotated the key since it was looked up.
            credential = await self._keys.get(key.id, max_age=RECHECK_SECONDS, allow_stale=False)
            if credential is not None and not _matches(secret_hash, credential):
                raise InvalidToken
        if credential is None or _is_expired(credential):
            raise InvalidToken
        return Caller(
            credential.user_id,
            credential.scopes,
            key_id=key.id,
            models=credential.models,
            secret_id=keys.secret_id_of(secret_hash),
        )

    async def _find_login(self, login_id: UUID) -> Credential | None:
        return await self._sql.run(partial(logins.find_credential, login_id=login_id), writes=False)

    async def _find_key(self, key_id: UUID) -> Credential | None:
        return await self._sql.run(partial(keys.find_credential, key_id=key_id), writes=False)

    def _note_use(self, request: Request, caller: Caller, key_id: UUID) -> None:
        """Write the last use of a key in the background, at most once a minute."""
        now = time.monotonic()
        if now - self._last_noted.get(key_id, -NOTE_SECONDS) < NOTE_SECONDS:
            return
        if len(self._last_noted) >= MAX_NOTED:
            self._last_noted.clear()
        self._last_noted[key_id] = now
        trail = AuditTrail(request, caller)

        async def note(session: AsyncSession) -> None:
            if await keys.note_use(session, key_id):
                await trail.note(session, "key_first_used", subject_id=key_id)

        async def write() -> None:
            try:
                await self._sql.run(note, writes=True)
            except ServiceError:
                self._last_noted.pop(key_id, None)  # the next request tries again

        task = asyncio.ensure_future(write())
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


def _as_caller(claims: Claims, credential: Credential | None) -> Caller:
    """Return the caller of a token: its scopes, as far as its credential still has them."""
    if credential is None or _is_expired(credential):
        raise InvalidToken
    secret_ids = map(keys.secret_id_of, _valid_hashes(credential))
    if claims.secret_id is not None and claims.secret_id not in secret_ids:
        raise InvalidToken
    scopes = expanded(claims.scopes) & credential.scopes
    return Caller(
        credential.user_id,
        scopes,
        claims.key_id,
        claims.login_id,
        credential.models,
        claims.secret_id,
    )


def _matches(secret_hash: bytes, credential: Credential) -> bool:
    return any(hmac.compare_digest(secret_hash, valid) for valid in _valid_hashes(credential))


def _valid_hashes(credential: Credential) -> list[bytes]:
    """Return the hashes of the secrets that are valid now."""
    now = datetime.now(UTC)
    return [valid for valid, until in credential.hashes if until is None or until > now]


def _is_expired(credential: Credential) -> bool:
    return credential.expires_at is not None and credential.expires_at <= datetime.now(UTC)
