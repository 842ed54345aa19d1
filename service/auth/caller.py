"""The caller of a request, and what an endpoint needs one to be.

Each endpoint says it beside its address: ``needs("posts:write")``, ``ANYBODY`` (who is nobody is
welcome too) or ``UNASKED`` (it looks at no credentials). The route asks the gate before it reads
anything else of the request; the endpoint finds who it was as ``CurrentCaller``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Protocol
from uuid import UUID

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.params import Security
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import HTTPConnection

from service.auth.roles import SCOPES
from service.core.errors import FieldError, ServiceError


class Unauthenticated(ServiceError):
    status, code, title = 401, "unauthenticated", "Nobody is known by these credentials"
    detail = (
        "Send Authorization: Bearer with an access token of POST /v1/auth/token, or an API key."
    )

    def __init__(self, detail: str | None = None, *, challenge: str = 'Bearer realm="polystore"'):
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class InvalidToken(Unauthenticated):
    code, title = "invalid_token", "This token is not good, or not any more"
    detail = "Get another one: POST /v1/auth/token. A key may be revoked or have run out."

    def __init__(self) -> None:
        super().__init__(challenge='Bearer realm="polystore", error="invalid_token"')


class Forbidden(ServiceError):
    status, code, title = 403, "forbidden", "You may not do this"


class ModelForbidden(Forbidden):
    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model. In lists, set ?model= to one of your models."
    pointer = "/model"


class MissingScope(Forbidden):
    code, title = "missing_scope", "Your credentials do not reach that far"

    def __init__(self, *scopes: str) -> None:
        wanted = " ".join(scopes)
        challenge = f'Bearer realm="polystore", error="insufficient_scope", scope="{wanted}"'
        super().__init__(f"It takes {wanted}.", headers={"WWW-Authenticate": challenge})


class NotYours(Forbidden):
    code, title = "not_yours", "This belongs to somebody else"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody, as far as the service knows.

    ``user_id`` is the user who called, or whose key it was. ``models`` are the patterns a key is
    bound to (``fraud-*``); None is every model.
    """

    user_id: UUID | None = None
    scopes: frozenset[str] = frozenset()
    key_id: UUID | None = None
    login_id: UUID | None = None
    models: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """Under which limits and Idempotency-Keys are counted."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        return "nobody" if self.user_id is None else f"user:{self.user_id}"

    def has_scope(self, scope: str) -> bool:
        """Whether a scope is held."""
        return scope in self.scopes

    def may_use(self, model: str) -> bool:
        """Whether predictions of this model are any business of theirs."""
        return self.models is None or any(_fits(model, each) for each in self.models)

    def require_model(self, model: str | None) -> None:
        """Raise ModelForbidden if the caller's key is bound to other models.

        ``None`` means all models, which a bound key may not use.
        """
        if not self.may_use(model or ""):
            raise ModelForbidden

    def require_scope(self, scope: str, *pointers: str) -> None:
        """Refuses who does not hold a scope; ``pointers`` are the fields that need it.

        Raises:
            MissingScope: with each of the fields.
        """
        if scope not in self.scopes:
            refusal = MissingScope(scope)
            refusal.errors = [
                FieldError(pointer=each, code=refusal.code, detail=refusal.message)
                for each in pointers
            ]
            raise refusal

    def owner_for(self, named: UUID | None, scope: str, pointer: str) -> UUID | None:
        """Whose something new will be: the caller's, or whom one with ``scope`` names.

        Raises:
            MissingScope: with the pointer, for who names another without it.
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
    """What an endpoint needs. ``scopes`` of None let in who is nobody."""

    asks: bool
    scopes: tuple[str, ...] | None


class Authenticator(Protocol):
    """Finds out who is calling; ``service.relational.authenticator`` does."""

    async def authenticate(self, request: Request, access: Access) -> Caller:
        """The caller, or a refusal."""

    async def resolve_token(self, token: str) -> Caller:
        """Whose token this is, or a refusal."""

    def invalidate(self, credential_id: UUID) -> None:
        """What was known of a login or a key has just changed."""

    def invalidate_user(self, user_id: UUID) -> None:
        """What was known of a user has: all their logins and keys."""

    async def drain(self) -> None:
        """Waits for what is still on its way to the store, before that closes."""


class _Bearer(OAuth2PasswordBearer):
    """Describes itself in OpenAPI and takes nothing: the gate has been passed when it is called."""

    async def __call__(self, request: HTTPConnection) -> str | None:  # noqa: ARG002 - FastAPI's
        return None


async def _unasked() -> None:
    """Marks an endpoint that looks at no credentials."""


async def _anybody() -> None:
    """Marks an endpoint that is open to those without credentials too."""


_BEARER = _Bearer(
    tokenUrl="/v1/auth/token",
    refreshUrl="/v1/auth/token",
    scopes=SCOPES,
    scheme_name="bearer",
    description="An access token of POST /v1/auth/token, or an API key (`pk_…`).",
)
PUBLIC = Depends(_unasked)
OPTIONAL_AUTH = Depends(_anybody)


def needs(*scopes: str) -> Security:
    """For ``dependencies=[…]`` of an endpoint: the scopes its caller must hold, if any."""
    unknown = set(scopes) - set(SCOPES)
    if unknown:
        raise TypeError(f"there is no scope {sorted(unknown)}")
    return Security(_BEARER, scopes=scopes)


def is_access(dependency: object) -> bool:
    """Whether it is one of those that say who may call."""
    return dependency in (_BEARER, _anybody, _unasked)


def access_of(dependencies: Sequence[Dependency]) -> Access:
    """What the dependencies of an endpoint say of its caller.

    Raises:
        TypeError: not exactly one of them says something; nothing is open by oversight.
    """
    said = [each for each in dependencies if is_access(each.dependency)]
    if len(said) != 1:
        raise TypeError("dependencies=[…] says once who may call: needs(…), ANYBODY or UNASKED")
    if said[0].dependency is _unasked:
        return Access(asks=False, scopes=None)
    if said[0].dependency is _anybody:
        return Access(asks=True, scopes=None)
    return Access(asks=True, scopes=tuple(getattr(said[0], "scopes", None) or ()))


def address_of(request: Request) -> str:
    """Where a request came from, as the server says; never as a header of the caller's says."""
    return request.client.host if request.client is not None else ""


async def current_caller(request: Request) -> Caller:
    """The caller of this request, whom its route has authenticated."""
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]
