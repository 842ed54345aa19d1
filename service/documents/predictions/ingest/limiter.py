"""How much of the intake this process holds at a time, and works on."""

import asyncio

from service.core.errors import ServiceError


class TooMuchInFlight(ServiceError):
    status, code, title = 429, "too_much_in_flight", "More is coming in than can be written"
    detail = "What was not acknowledged was not kept. Wait, then send it again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


GROUPS_AT_ONCE = 4


class InFlight:
    """Bytes of events that were read and are not durable yet; beyond ``most`` none are taken.

    Batches and what streams write at a time are worked on in their turn, ``async with turn:``, and
    wait for it as the bytes they came as. All at once, the 1,300 that eight clients left behind in
    ten seconds, who cut their connections, kept everybody else waiting for a minute.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.bytes = 0
        self.turn = asyncio.Semaphore(GROUPS_AT_ONCE)

    def take(self, size: int) -> None:
        """Raises :class:`TooMuchInFlight` if there is no room for so many bytes more."""
        if self.bytes + size > self._most:
            raise TooMuchInFlight
        self.bytes += size

    def give_back(self, size: int) -> None:
        self.bytes -= size
