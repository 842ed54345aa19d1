"""Times as MLflow writes them: milliseconds since 1970."""

from datetime import UTC, datetime, timedelta

EPOCH, MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)


def milliseconds(time: datetime) -> int:
    """Return the milliseconds since 1970."""
    return (time - EPOCH) // MILLISECOND


def moment(count: int) -> datetime:
    """Return the time of so many milliseconds since 1970."""
    return EPOCH + count * MILLISECOND
