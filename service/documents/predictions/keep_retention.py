"""Background job: stored predictions follow changed retention rules.

A document in `polystore_jobs` remembers the rules that were applied, so that nothing is read again
while they stay the same.
"""

import hashlib
import time

import structlog

from service.documents.predictions.apply_retention import RetentionJob
from service.documents.retention.rule_cache import REFRESH_SECONDS, stored_rules
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, MongoStore, now
from service.stores.mongo.lease import Lease

JOBS = "polystore_jobs"
# Until then another process may log events by the rules of before.
SETTLE_SECONDS = 2 * REFRESH_SECONDS
log = structlog.get_logger("service.documents.retention")


class RetentionUpkeep:
    """Applies the rules once they differ from the applied ones and have settled."""

    name = "retention"

    def __init__(
        self,
        mongo: MongoStore,
        default_days: int | None,
        *,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._mongo, self._default_days = mongo, default_days
        self._settle_seconds = settle_seconds
        self._pending: tuple[str, float] | None = None  # the rules to apply, and since when

    async def run(self, lease: Lease) -> None:
        """Apply the rules if they have changed.

        Raises:
            LeaseLost: another process may do it.
            Unavailable: MongoDB does not respond; completed batches remain.
        """
        rules, applied = await self._mongo.call(self._read, writes=False)
        if applied is None:  # nothing is deleted because a release brought this job
            await self._mongo.call(lambda: self._remember(rules), writes=True)
            return
        if rules == applied:
            self._pending = None
            return
        if self._pending is None or self._pending[0] != rules:
            self._pending = rules, time.monotonic()
        if time.monotonic() - self._pending[1] < self._settle_seconds:
            return
        job = RetentionJob(self._mongo, self._default_days, lambda *_: lease.check())
        report = await job.run()
        lease.check()
        await self._mongo.call(lambda: self._remember(rules), writes=True)
        log.info(
            "retention rules applied",
            predictions=report.predictions_changed,
            labels=report.labels_changed,
        )

    async def _read(self) -> tuple[str, str | None]:
        rules = await stored_rules(self._mongo.database, self._default_days)
        applied: Document | None = await self._mongo.database[JOBS].find_one({"_id": self.name})
        return fingerprint(rules), applied["rules"] if applied else None

    async def _remember(self, rules: str) -> None:
        await self._mongo.database[JOBS].replace_one(
            {"_id": self.name}, {"rules": rules, "applied_at": now()}, upsert=True
        )


def fingerprint(rules: Rules) -> str:
    """Return a hash of the rules that is the same in every process (SHA-256, hexadecimal)."""
    parts = (rules.default, sorted(rules.of_models.items()), sorted(rules.of_versions.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()
