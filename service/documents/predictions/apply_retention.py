"""Apply the retention rules to stored documents: `polystore retention plan` and `apply`.

Documents are updated in batches in the order of an index, each only if its expiry differs. A run
can therefore be interrupted and repeated, beside traffic and beside other runs, with the same
result. Labels expire with their prediction. Labels without one wait as long as it could arrive.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import UpdateOne

from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.labels.early_labels import expiry_update
from service.documents.predictions.reading.feedback import (
    belongs_to,
    feedback_of,
    prediction_id_of,
)
from service.documents.retention.rule_cache import stored_rules
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, MongoCollection, MongoStore, now

MODEL_INDEX = "ix_predictions_model"
BATCH_SIZE = 1000
WithExpiry = Sequence[tuple[Document, datetime | None]]
_RULE_FIELDS = {"timestamp": 1, "received_at": 1, "expires_at": 1, "model": 1, "version": 1}


@dataclass
class RetentionReport:
    """Numbers of documents that were read, whose expiry changed, and that have expired."""

    versions: int = 0
    predictions: int = 0
    predictions_changed: int = 0
    labels: int = 0
    labels_changed: int = 0
    predictions_expired: int = 0
    labels_expired: int = 0


class RetentionJob:
    """One run. ``progress`` is called after each batch, with the report so far and the position.

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
        self.report = RetentionReport()

    async def run(self) -> RetentionReport:
        """Repeat until every document follows the rules that are in force at the end.

        Raises:
            Unavailable: MongoDB does not respond; batches that were written stay written.
        """
        applied: Rules | None = None
        while applied != (rules := await self._rules()):
            if self._dry_run:
                self.report = RetentionReport()  # counts changes by these rules only
            async for model, version in self._versions():
                await self._apply_to(model, version, rules)
            await self._apply_to_labels(rules)
            applied = rules
        return self.report

    async def _rules(self) -> Rules:
        async def read() -> Rules:
            return await stored_rules(self._mongo.database, self._default_days)

        return await self._mongo.call(read, writes=False)

    async def _versions(self) -> AsyncIterator[tuple[str, str]]:
        """Yield every model and version by one index seek each, without reading predictions."""
        filters: list[Document] = [{}]
        while document := await self._first_of(filters):
            model, version = document["model"], document["version"]
            yield model, version
            self.report.versions += 1
            filters = [{"model": model, "version": {"$gt": version}}, {"model": {"$gt": model}}]

    async def _first_of(self, filters: Sequence[Document]) -> Document | None:
        fields, order = {"_id": 0, "model": 1, "version": 1}, [("model", 1), ("version", 1)]
        for where in filters:
            documents = await self._read(self._predictions.find(where, fields).sort(order).limit(1))
            if documents:
                return documents[0]
        return None

    async def _apply_to(self, model: str, version: str, rules: Rules) -> None:
        within: Document = {"model": model, "version": version}
        where = within
        while batch := await self._read(
            self._predictions.find(where, _RULE_FIELDS)
            .sort([("timestamp", 1), ("_id", 1)])
            .limit(BATCH_SIZE)
            .hint(MODEL_INDEX)
        ):
            expiries = [(prediction, rules.expiry(prediction)) for prediction in batch]
            await self._apply_to_labels_of(expiries)
            self.report.predictions_changed += await self._write(self._predictions, expiries)
            self.report.predictions_expired += _count_expired(expiries)
            self.report.predictions += len(batch)
            self._progress(self.report, f"{model} {version}")
            time, last = batch[-1]["timestamp"], batch[-1]["_id"]
            beyond = [{"timestamp": {"$gt": time}}, {"_id": {"$gt": last}}]
            where = {**within, "timestamp": {"$gte": time}, "$or": beyond}

    async def _apply_to_labels_of(self, predictions: WithExpiry) -> None:
        """Update the labels before MongoDB can delete their predictions.

        The expiry of labels cannot be derived without their prediction.
        """
        if self._dry_run:
            return
        expiry = {prediction["_id"]: expires_at for prediction, expires_at in predictions}
        models = {prediction["_id"]: prediction["model"] for prediction, _ in predictions}
        fields = {"expires_at": 1, "prediction_id": 1, "models": 1}
        labels = await self._read(self._feedback.find(feedback_of(models), fields))
        expiries = [
            (item, expiry[prediction_id])
            for item in labels
            if belongs_to(item, models[prediction_id := prediction_id_of(item)])
        ]
        self.report.labels_changed += await self._write(self._feedback, expiries)

    async def _apply_to_labels(self, rules: Rules) -> None:
        names = ("expires_at", "history.received_at", "prediction_id", "models")
        fields, where = dict.fromkeys(names, 1), Document()
        while batch := await self._read(
            self._feedback.find(where, fields).sort("_id").limit(BATCH_SIZE)
        ):
            ids = [prediction_id_of(feedback) for feedback in batch]
            predictions = await self._read(
                self._predictions.find({"_id": {"$in": ids}}, _RULE_FIELDS)
            )
            stored = {prediction["_id"]: prediction for prediction in predictions}
            expiries = [
                (item, _label_expiry(item, stored.get(prediction_id_of(item)), rules))
                for item in batch
            ]
            self.report.labels_changed += await self._write(self._feedback, expiries)
            self.report.labels_expired += _count_expired(expiries)
            self.report.labels += len(batch)
            self._progress(self.report, "labels")
            where = {"_id": {"$gt": batch[-1]["_id"]}}

    async def _read(self, cursor: Any) -> list[Document]:
        documents: list[Document] = await self._mongo.call(
            lambda: cursor.to_list(None), writes=False
        )
        return documents

    async def _write(self, collection: MongoCollection, expiries: WithExpiry) -> int:
        """Set the expiries that differ; return how many did."""
        updates = [
            UpdateOne({"_id": document["_id"]}, [expiry_update(expires_at)])
            for document, expires_at in expiries
            if document.get("expires_at") != expires_at
        ]
        if not updates or self._dry_run:
            return len(updates)
        result = await self._mongo.call(
            lambda: collection.bulk_write(updates, ordered=False), writes=True
        )
        changed: int = result.modified_count
        return changed


def _count_expired(expiries: WithExpiry) -> int:
    moment = now()
    return sum(expires_at is not None and expires_at <= moment for _, expires_at in expiries)


def _label_expiry(feedback: Document, prediction: Document | None, rules: Rules) -> datetime | None:
    if prediction is not None and belongs_to(feedback, prediction["model"]):
        return rules.expiry(prediction)
    return _pending_expiry(feedback, rules)


def _pending_expiry(feedback: Document, rules: Rules) -> datetime | None:
    """Return the expiry of labels without a prediction, which is deleted or still to arrive."""
    expires_at: datetime | None = feedback.get("expires_at")
    if expires_at is not None and expires_at <= now():
        return expires_at
    if rules.longest is None:
        return None
    received_at: datetime = max(label["received_at"] for label in feedback["history"])
    return received_at + rules.longest
