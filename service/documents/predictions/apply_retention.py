"""Applies the rules of retention to what is there already: `polystore retention plan`, `apply`.

In batches, by the order of an index, each document by itself and only if it differs. So it can be
interrupted at any moment and run again, beside the traffic and beside another of its kind: it ends
the same. Labels follow their prediction; those that came before it wait as long as it could come.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.labels.feedback import expiring
from service.documents.retention.rule_cache import stored_rules
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now

BY_VERSION = "ix_predictions_model"
AT_ONCE = 1000
Wanted = Sequence[tuple[Document, datetime | None]]
_DATES = {"timestamp": 1, "received_at": 1, "expires_at": 1, "model": 1, "version": 1}


@dataclass
class RetentionReport:
    """What was looked at, of how many the time to go has changed, and for how many it has come."""

    versions: int = 0
    predictions: int = 0
    predictions_changed: int = 0
    labels: int = 0
    labels_changed: int = 0
    predictions_expired: int = 0
    labels_expired: int = 0


class RetentionJob:
    """One run. ``progress`` is called after each batch, with what is done and where it is.

    With ``dry_run`` it reports what it would change, and changes nothing.
    """

    def __init__(
        self,
        mongo: MongoStore,
        default_days: int | None,
        progress: Callable[[RetentionReport, str], None],
        *,
        dry_run: bool = False,
    ) -> None:
        self._dry_run = dry_run
        self._mongo, self._default_days, self._progress = mongo, default_days, progress
        self._predictions = mongo.database[PREDICTIONS]
        self._feedback = mongo.database[FEEDBACK]
        self.applied = RetentionReport()

    async def run(self) -> RetentionReport:
        """Until all is as the rules say, those of the end.

        Raises:
            Unavailable: MongoDB does not answer; what is done stays.
        """
        before: Rules | None = None
        while before != (rules := await self._rules()):
            if self._dry_run:
                self.applied = (
                    RetentionReport()
                )  # what it would do by these rules, and not by others too
            async for model, version in self._versions():
                await self._apply_to(model, version, rules)
            await self._apply_to_labels(rules)
            before = rules
        return self.applied

    async def _rules(self) -> Rules:
        async def find() -> Rules:
            return await stored_rules(self._mongo.database, self._default_days)

        return await self._mongo.call(find, writes=False)

    async def _versions(self) -> AsyncIterator[tuple[str, str]]:
        """Each there is, by one step in the index and not by looking at its predictions."""
        places: list[Document] = [{}]
        while found := await self._first_of(places):
            model, version = found["model"], found["version"]
            yield model, version
            self.applied.versions += 1
            places = [{"model": model, "version": {"$gt": version}}, {"model": {"$gt": model}}]

    async def _first_of(self, places: Sequence[Document]) -> Document | None:
        fields, order = {"_id": 0, "model": 1, "version": 1}, [("model", 1), ("version", 1)]
        for where in places:
            found = await self._read(self._predictions.find(where, fields).sort(order).limit(1))
            if found:
                return found[0]
        return None

    async def _apply_to(self, model: str, version: str, rules: Rules) -> None:
        within: Document = {"model": model, "version": version}
        where = within
        while batch := await self._read(
            self._predictions.find(where, _DATES)
            .sort([("timestamp", 1), ("_id", 1)])
            .limit(AT_ONCE)
            .hint(BY_VERSION)
        ):
            wanted = [(each, rules.expiry(each)) for each in batch]
            await self._apply_to_labels_of(wanted)
            self.applied.predictions_changed += await self._write(self._predictions, wanted)
            self.applied.predictions_expired += _expired(wanted)
            self.applied.predictions += len(batch)
            self._progress(self.applied, f"{model} {version}")
            time, last = batch[-1]["timestamp"], batch[-1]["_id"]
            beyond = [{"timestamp": {"$gt": time}}, {"_id": {"$gt": last}}]
            where = {**within, "timestamp": {"$gte": time}, "$or": beyond}

    async def _apply_to_labels_of(self, predictions: Wanted) -> None:
        """Before MongoDB can delete them: of labels alone nobody knows when they are to go."""
        if self._dry_run:
            return
        expiry = {document["_id"]: expires_at for document, expires_at in predictions}
        labels = await self._read(
            self._feedback.find({"_id": {"$in": [*expiry]}}, {"expires_at": 1})
        )
        wanted = [(each, expiry[each["_id"]]) for each in labels]
        self.applied.labels_changed += await self._write(self._feedback, wanted)

    async def _apply_to_labels(self, rules: Rules) -> None:
        fields, where = {"expires_at": 1, "history.received_at": 1}, Document()
        while batch := await self._read(
            self._feedback.find(where, fields).sort("_id").limit(AT_ONCE)
        ):
            ids = [each["_id"] for each in batch]
            there = await self._read(self._predictions.find({"_id": {"$in": ids}}, _DATES))
            expiry = {each["_id"]: rules.expiry(each) for each in there}
            wanted = [
                (each, expiry[each["_id"]] if each["_id"] in expiry else _of_pending(each, rules))
                for each in batch
            ]
            self.applied.labels_changed += await self._write(self._feedback, wanted)
            self.applied.labels_expired += _expired(wanted)
            self.applied.labels += len(batch)
            self._progress(self.applied, "labels")
            where = {"_id": {"$gt": ids[-1]}}

    async def _read(self, cursor: Any) -> list[Document]:
        found: list[Document] = await self._mongo.call(lambda: cursor.to_list(None), writes=False)
        return found

    async def _write(self, collection: MongoCollection, wanted: Wanted) -> int:
        """Sets the expiry of those that have another; how many that were."""
        updates = [
            UpdateOne({"_id": document["_id"]}, [expiring(expires_at)])
            for document, expires_at in wanted
            if document.get("expires_at") != expires_at
        ]
        if not updates or self._dry_run:
            return len(updates)
        result = await self._mongo.call(
            lambda: collection.bulk_write(updates, ordered=False), writes=True
        )
        changed: int = result.modified_count
        return changed


def _expired(wanted: Wanted) -> int:
    """For how many of them the time has come."""
    moment = now()
    return sum(expires_at is not None and expires_at <= moment for _, expires_at in wanted)


def _of_pending(labels: Document, rules: Rules) -> datetime | None:
    """Of labels whose prediction is not there: it has gone, and so will they, or is to come."""
    expires_at: datetime | None = labels.get("expires_at")
    if expires_at is not None and expires_at <= now():
        return expires_at
    if rules.longest is None:
        return None
    received_at: datetime = max(each["received_at"] for each in labels["history"])
    return received_at + rules.longest
