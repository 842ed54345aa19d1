"""Route of erasure."""

from uuid import UUID

from fastapi import APIRouter

from service.auth.caller import needs
from service.relational.erasure.erase import ErasureDep
from service.relational.erasure.repository import OwnsSomething, PasswordMissing
from service.relational.erasure.schemas import Erased, UserErase
from service.relational.logins.own_password import PeopleOnly, WrongPassword
from service.relational.users.repository import RoleTooStrong, UserNotFound
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch
from service.web.openapi import problems
from service.web.route import policy

# A user with 20,000 posts and 50,000 comments takes 4 to 6 s of a processor (measured).
ERASE_SECONDS = 30.0
router = APIRouter(prefix="/users", tags=["users"], route_class=SqlRoute)


@router.post(
    "/{user_id}/erase",
    dependencies=[needs("users:write")],
    responses=problems(
        UserNotFound,
        OwnsSomething,
        PasswordMissing,
        WrongPassword,
        PeopleOnly,
        RoleTooStrong,
        if_match=True,
    ),
)
@policy(seconds=ERASE_SECONDS)
async def users_erase(
    user_id: UUID, erasure: ErasureDep, expected: IfMatch, proof: UserErase | None = None
) -> Erased:
    """Erase a user for good, deleted or not. It takes `users:admin`, or your own password.

    An API key with it erases no administrator. Posts, comments, memberships, invitations, keys and
    logins are removed. Orders, transfers, used accounts and the audit trail are kept, and name the
    user no more.
    """
    return await erasure.erase(user_id, proof, expected)
