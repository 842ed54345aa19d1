"""Times of a file as RFC 3339 with offset."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Unit(StrEnum):
    """The unit of times that are numbers since 1970."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


_MICROSECONDS = {
    Unit.SECONDS: Decimal(1_000_000),
    Unit.MILLISECONDS: Decimal(1000),
    Unit.MICROSECONDS: Decimal(1),
    Unit.NANOSECONDS: Decimal("0.001"),
}


class Times(NamedTuple):
    """How the times of a file are read: the zone of those without offset, the unit of numbers."""

    zone: tzinfo | None = None
    unit: Unit | None = None

    def read(self, value: Any) -> Any:
        """Return a time as text with an offset; what is no time is returned as it is."""
        if self.unit is not None and is_number(value):
            try:
                microseconds = int(Decimal(str(value)) * _MICROSECONDS[self.unit])
                return (EPOCH + timedelta(microseconds=microseconds)).isoformat()
            except (InvalidOperation, OverflowError, ValueError):
                return value
        moment = parse(value)
        if moment is None:
            return value
        if moment.tzinfo is None:
            if self.zone is None:
                return value
            moment = moment.replace(tzinfo=self.zone)
        return moment.isoformat()

    def lacks(self, value: Any) -> str | None:
        """Return the option without which this time is refused, or None."""
        if is_number(value):
            return "--time-unit s, ms, us or ns" if self.unit is None else None
        moment = parse(value)
        naive = moment is not None and moment.tzinfo is None and self.zone is None
        return "--time-zone UTC, or another zone" if naive else None


def parse(value: Any) -> datetime | None:
    """Return the time that ISO 8601 text means, or None; a number is none."""
    if not isinstance(value, str) or is_number(value):
        return None
    try:
        return datetime.fromisoformat(value.strip())
    except ValueError:
        return None


def is_number(value: Any) -> bool:
    """Return whether a time is a number, also as text."""
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)
