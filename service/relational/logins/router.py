"""Routes of logins."""

from typing import Annotated

from fastapi import APIRouter, Form

from service.auth.caller import PUBLIC
from service.relational.logins.logout import LogoutDep, UnsupportedToken
from service.relational.logins.repository import (
    IncompleteGrant,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    UnsupportedGrant,
)
from service.relational.logins.schemas import Revoked, RevokeRequest, TokenRead, TokenRequest
from service.relational.logins.token_grants import TokenGrantsDep
from service.web.conditional import Reply
from service.web.openapi import problems
from service.web.route import Route

# No SqlRoute: passwords are hashed between two transactions, and no response may be stored.
router = APIRouter(prefix="/auth", tags=["access"], route_class=Route, dependencies=[PUBLIC])


@router.post(
    "/token",
    responses=problems(
        IncompleteGrant, UnsupportedGrant, InvalidScope, InvalidGrant, InvalidClient
    ),
)
async def auth_token(
    form: Annotated[TokenRequest, Form()], grants: TokenGrantsDep, reply: Reply
) -> TokenRead:
    """Return tokens for a password, a refresh token or an API key (OAuth 2, RFC 6749).

    A refresh token is valid once; a second use ends the whole login.
    """
    reply.no_store()
    return await grants.exchange(form)


@router.post("/revoke", responses=problems(UnsupportedToken))
async def auth_revoke(form: Annotated[RevokeRequest, Form()], logout: LogoutDep) -> Revoked:
    """End the login of a refresh or access token (RFC 7009); within 10 s, everywhere."""
    await logout.revoke(form)
    return Revoked()
