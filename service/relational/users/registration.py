"""Registering: newcomers make themselves a user, where an operator lets them."""

from typing import Annotated
from uuid import UUID

from fastapi import Request

from service.auth.caller import CurrentCaller, Forbidden, address_of
from service.auth.rate_limits import RateLimiter
from service.relational.users.repository import Users
from service.relational.users.schemas import UserCreate
from service.web.conditional import JsonResource
from service.web.context import provided


class RegistrationClosed(Forbidden):
    code, title = "registration_closed", "Nobody registers here by themselves"
    detail = "Ask an administrator for an account."


_CHOSEN_FOR_THEM = ("status", "is_active", "role")


class Registration:
    """Whoever lacks ``users:admin`` gets what every newcomer gets."""

    def __init__(self, request: Request, users: Users, caller: CurrentCaller) -> None:
        self._users, self._caller = users, caller
        self._is_open: bool = request.state.settings.registration
        self._rates: RateLimiter = request.state.rates
        self._address = address_of(request)

    async def add(self, user: UserCreate) -> tuple[UUID, JsonResource]:
        """The new user, by their id.

        Raises:
            RegistrationClosed: only administrators make users here.
            MissingScope: a newcomer chose what is chosen for them.
            TooOften: too many from this address.
        """
        if not self._caller.has_scope("users:admin"):
            if not self._is_open:
                raise RegistrationClosed
            chosen = [f"/{name}" for name in _CHOSEN_FOR_THEM if _differs(user, name)]
            if chosen:
                self._caller.require_scope("users:admin", *chosen)
            self._rates.count("login", self._address)
        return await self._users.add(user)


def _differs(user: UserCreate, name: str) -> bool:
    return bool(getattr(user, name) != UserCreate.model_fields[name].default)


Newcomers = Annotated[Registration, provided(Registration)]
