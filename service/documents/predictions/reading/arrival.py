"""Readers that follow the log by ``received_at``: they see no moment before it is complete.

A process sets ``received_at`` when it begins an insert, and the insert ends by the deadline of a
call. Older moments are therefore complete, unless the clocks of processes differ by more than
CLOCK_MARGIN. An insert that a hanging MongoDB executes later than its deadline is the exception:
its sender got `outcome_unknown`.
"""

from datetime import datetime, timedelta

from service.stores.mongo.client import Document, MongoStore, now
from service.web.schemas import format_time

CLOCK_MARGIN = timedelta(seconds=1)
HEADER = "Complete-Until"
HEADER_DOC = {
    HEADER: {
        "description": "Every event that was received before this moment is in the list, if it "
        "matches. Sent where the list is sorted or filtered by `received_at`.",
        "schema": {"type": "string", "format": "date-time"},
    }
}


class Arrival:
    """The moment through which the log is complete, for one reader."""

    def __init__(self, store: MongoStore) -> None:
        self._until: datetime = now() - timedelta(seconds=store.deadline_seconds) - CLOCK_MARGIN

    @property
    def condition(self) -> Document:
        """The query of events that were received before it."""
        return {"received_at": {"$lt": self._until}}

    @property
    def headers(self) -> dict[str, str]:
        return {HEADER: format_time(self._until)}
