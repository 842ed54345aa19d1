"""The caller of a request, and the scopes that a route requires.

Each route states it: ``needs("posts:write")``, ``OPTIONAL_AUTH`` (credentials are optional) or
``PUBLIC`` (credentials are ignored). The route class authenticates the request before it reads
anything else; the endpoint gets the caller as ``CurrentCaller``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol
from uuid import UUID

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.params import Security
from fastapi.security import APIKeyQuery, OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from service.auth.roles import SCOPES
from service.core.errors import ServiceError, field_error


class Unauthenticated(ServiceError):
    status, code, title = 401, "unauthenticated", "Credentials are missing or unknown"
    detail = (
        "Send Authorization: Bearer with an access token of POST /v1/auth/token, or an API key."
    )

    def __init__(self, detail: str | None = None, *, challenge: str = 'Bearer realm="polystore"'):
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidToken(Unauthenticated):
    code, title = "invalid_token", "Token is not valid"
    detail = "Get another one with POST /v1/auth/token; a key may be revoked or expired."

    def __init__(self) -> None:
        super().__init__(challenge='Bearer realm="polystore", error="invalid_token"')


class InvalidTicket(Unauthenticated):
    code, title = "invalid_ticket", "Ticket is not valid"
    detail = "Request another one; it has expired, or it is for another address or other filters."


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "Action is not allowed"


class ModelForbidden(Forbidden):
    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model. In lists, set ?model= to one of your models."
    pointer = "/model"


class MissingScope(Forbidden):
    code, title = "missing_scope", "Scope is missing"

    def __init__(self, *scopes: str) -> None:
        wanted = " ".join(scopes)
        challenge = f'Bearer realm="polystore", error="insufficient_scope", scope="{wanted}"'
        super().__init__(f"Use credentials with {wanted}.", headers={"WWW-Authenticate": challenge})


class NotYours(Forbidden):
    code, title = "not_yours", "Object belongs to another user"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller, or an anonymous one without ``user_id``.

    ``user_id`` is the user, or the user of the key. ``models`` are the patterns that a key is bound
    to (``fraud-*``); None allows every model. ``secret_id`` is that of :class:`Claims`.
    """

    user_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    key_id: UUID | None = None
    login_id: UUID | None = None
    models: tuple[str, ...] | None = None
    secret_id: str | None = None

    @property
    def name(self) -> str:
        """Return the name for rate limits and Idempotency-Keys."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        return "nobody" if self.user_id is None else f"user:{self.user_id}"

    def has_scope(self, scope: str) -> bool:
        """Return whether the caller has a scope."""
        return scope in self.scopes

    def may_use(self, model: str) -> bool:
        """Return whether the caller may use predictions of this model."""
        return self.models is None or any(_fits(model, pattern) for pattern in self.models)

    def require_model(self, model: str | None) -> None:
        """Raise ModelForbidden if the caller's key is bound to other models.

        ``None`` means all models, which a bound key may not use.
        """
        if not self.may_use(model or ""):
            raise ModelForbidden

    def require_scope(self, scope: str, *pointers: str) -> None:
        """Raise MissingScope without a scope; ``pointers`` are the fields that require it."""
        if scope not in self.scopes:
            error = MissingScope(scope)
            error.errors = [
                field_error(pointer=pointer, code=error.code, detail=error.message)
                for pointer in pointers
            ]
            raise error

    def owner_for(self, named: UUID | None, scope: str, pointer: str) -> UUID | None:
        """Return the owner of a new object: the caller, or with ``scope`` the named user.

        Raises:
            MissingScope: with the pointer, where a caller without it names another user.
        """
        if named is not None and named != self.user_id:
            self.require_scope(scope, pointer)
        return named or self.user_id


def _fits(model: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return model.startswith(pattern[:-1])
    return model == pattern


ANONYMOUS = Caller()


class Access(NamedTuple):
    """The access rule of a route. ``scopes`` of None allow anonymous callers."""

    asks: bool
    scopes: tuple[str, ...] | None
    takes_ticket: bool = False


class Authenticator(Protocol):
    """Finds the caller of a request; implemented by ``service.relational.authenticator``."""

    async def authenticate(self, request: Request, access: Access) -> Caller:
        """Return the caller, or raise."""

    async def resolve_token(self, token: str) -> Caller:
        """Return the caller of a token, or raise."""

    def invalidate(self, credential_id: UUID) -> None:
        """Forget what is cached of a login or a key."""

    def invalidate_user(self, user_id: UUID) -> None:
        """Forget what is cached of all logins and keys of a user."""

    async def drain(self) -> None:
        """Wait for calls on the store that are under way, before it closes."""


class _Bearer(OAuth2PasswordBearer):
    """Describes the scheme in OpenAPI; the route class has authenticated the request already."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # noqa: ARG002 - FastAPI's
        return None


async def _public() -> None:
    """Mark a route that ignores credentials."""


async def _optional_auth() -> None:
    """Mark a route that anonymous callers may use."""


_BEARER = _Bearer(
    tokenUrl="/v1/auth/token",
    refreshUrl="/v1/auth/token",
    scopes=SCOPES,
    scheme_name="bearer",
    description="An access token of POST /v1/auth/token, or an API key (`pk_…`).",
)
_TICKET = APIKeyQuery(
    name="ticket",
    scheme_name="ticket",
    auto_error=False,
    description="For an EventSource of browsers, which sends no Authorization.",
)
TICKET = Depends(_TICKET)
"""Beside ``needs(…)``: the route takes a ticket in its query where there is no Authorization."""
PUBLIC = Depends(_public)
OPTIONAL_AUTH = Depends(_optional_auth)


def needs(*scopes: str) -> Security:
    """Return the entry of ``dependencies=[…]`` with the scopes that the caller must have."""
    unknown = set(scopes) - set(SCOPES)
    if unknown:
        raise TypeError(f"unknown scopes {sorted(unknown)}")
    return Security(_BEARER, scopes=scopes)


def is_access(dependency: object) -> bool:
    """Return whether a dependency states the access rule."""
    return dependency in (_BEARER, _optional_auth, _public)


def access_of(dependencies: Sequence[Dependency]) -> Access:
    """Return the access rule that the dependencies of a route state.

    Raises:
        TypeError: not exactly one of them states it, so that no route is open by mistake.
    """
    rules = [item for item in dependencies if is_access(item.dependency)]
    if len(rules) != 1:
        raise TypeError(
            "state the access once in dependencies=[…]: needs(…), OPTIONAL_AUTH or PUBLIC"
        )
    if rules[0].dependency is _public:
        return Access(asks=False, scopes=None)
    if rules[0].dependency is _optional_auth:
        return Access(asks=True, scopes=None)
    takes_ticket = any(item.dependency is _TICKET for item in dependencies)
    return Access(True, tuple(getattr(rules[0], "scopes", None) or ()), takes_ticket)


def address_of(request: Request) -> str:
    """Return the client's address as the server sees it; headers of the client are ignored."""
    return request.client.host if request.client is not None else ""


async def current_caller(request: Request) -> Caller:
    """The caller of this request, whom its route has authenticated."""
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]
