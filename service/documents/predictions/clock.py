"""The clock rule of events and labels: nothing was observed more than an hour from now."""

from datetime import datetime, timedelta

from service.core.errors import FieldError, field_error
from service.web.schemas import format_time

MAX_CLOCK_SKEW = timedelta(hours=1)


def future_violation(name: str, moment: datetime, received_at: datetime) -> FieldError | None:
    """Return the error of a time too far ahead of the server's clock, ``received_at``, or None."""
    if moment <= received_at + MAX_CLOCK_SKEW:
        return None
    limit = f"{MAX_CLOCK_SKEW} after the server's time, {format_time(received_at)}"
    detail = f"Send a time of at most {limit}."
    return field_error(pointer=f"/{name}", code="in_the_future", detail=detail)
