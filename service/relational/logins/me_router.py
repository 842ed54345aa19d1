"""Routes of the caller."""

from fastapi import APIRouter

from service.auth.caller import CurrentCaller, Unauthenticated, needs
from service.relational.logins.logout import LogoutDep
from service.relational.logins.own_password import PeopleOnly, WrongPassword
from service.relational.logins.schemas import MeRead, PasswordChange
from service.relational.users.repository import UserNotFound, Users
from service.stores.sql.route import SqlRoute
from service.web.openapi import problems
from service.web.route import policy

router = APIRouter(prefix="/me", tags=["access"], route_class=SqlRoute)


@router.get("", dependencies=[needs()], responses=problems(UserNotFound))
async def me_get(users: Users, caller: CurrentCaller) -> MeRead:
    """Return the user of these credentials and their scopes."""
    if caller.user_id is None:
        raise Unauthenticated
    user = await users.get(caller.user_id)
    return MeRead(
        **dict(user),
        scopes=sorted(caller.scopes),
        key_id=caller.key_id,
        models=None if caller.models is None else list(caller.models),
    )


@router.post(
    "/password",
    status_code=204,
    dependencies=[needs()],
    responses=problems(WrongPassword, PeopleOnly),
)
@policy(own_sessions=True)
async def me_change_password(change: PasswordChange, logout: LogoutDep) -> None:
    """Change your password. Every login ends, this one too: log in again."""
    await logout.change_password(change)
