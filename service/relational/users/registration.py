"""Registration: people make themselves a user, where an operator allows it."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from service.auth.caller import Forbidden, address_of
from service.auth.rate_limits import RateLimiter
from service.relational.users.repository import UserRepository
from service.relational.users.schemas import UserCreate
from service.stores.sql.context import SqlContext, SqlService
from service.web.conditional import JsonResource


class RegistrationClosed(Forbidden):
    code, title = "registration_closed", "Registration is closed"
    detail = "Ask an administrator for an account."


_PRIVILEGED = ("status", "is_active", "role")


class Registration(SqlService):
    """A caller without ``users:admin`` makes a user with the default role and status."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)
        self._rates: RateLimiter = context.request.state.rates

    async def add(self, user: UserCreate) -> tuple[UUID, JsonResource]:
        """Return the id of the new user, and the user.

        Raises:
            RegistrationClosed: only administrators make users here.
            MissingScope: the body chooses a role or a status.
            TooOften: too many registrations from this address.
        """
        if not self._caller.has_scope("users:admin"):
            if not self._context.settings.registration:
                raise RegistrationClosed
            chosen = [f"/{name}" for name in _PRIVILEGED if _differs(user, name)]
            if chosen:
                self._caller.require_scope("users:admin", *chosen)
            self._rates.count("login", address_of(self._context.request))
        return await self._users.add(user)


def _differs(user: UserCreate, name: str) -> bool:
    return bool(getattr(user, name) != UserCreate.model_fields[name].default)


RegistrationDep = Annotated[Registration, Depends(Registration.from_request)]
