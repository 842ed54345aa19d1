"""How much of the intake this process holds at a time."""

from service.errors import ServiceError


class TooMuchInFlight(ServiceError):
    status, code, title = 429, "too_much_in_flight", "More is coming in than can be written"
    detail = "Nothing of this request was kept. Wait, then send it again."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class InFlight:
    """Bytes of events that were read and are not durable yet; beyond ``most`` none are taken."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.bytes = 0

    def take(self, size: int) -> None:
        """Raises :class:`TooMuchInFlight` if there is no room for so many bytes more."""
        if self.bytes + size > self._most:
            raise TooMuchInFlight
        self.bytes += size

    def give_back(self, size: int) -> None:
        self.bytes -= size
