"""Takes labels in: each good or wrong by itself, those of one prediction in one write."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct

from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, ServiceError
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.labels.feedback import TooManyRevisions
from service.documents.predictions.labels.label import Label, WrongLabel, observation_of
from service.documents.predictions.labels.repository import LabelLog, Told
from service.documents.retention.rules import PredictionExpired, Rules
from service.stores.mongo.client import Document, now

STATUS = {"labelled": 201, "revised": 200, "unchanged": 200}


class LabelResult(Struct, omit_defaults=True):
    """What became of one label; see ``LabelResult`` in ``schemas.py``."""

    prediction_id: UUID | None
    status: int
    code: str
    pending: bool = False
    errors: list[FieldError] = []


class LabelBatchResult(Struct):
    """The answer to a batch; see :class:`LabelBatchRead`."""

    labelled: int
    revised: int
    unchanged: int
    pending: int
    rejected: int
    results: list[LabelResult]

    @classmethod
    def of(cls, results: list[LabelResult]) -> "LabelBatchResult":
        return cls(**counts(results), results=results)


def counts(results: Iterable[LabelResult]) -> dict[str, int]:
    """How many were labelled, revised, unchanged and rejected, and of these how many pending."""
    found = Counter({"labelled": 0, "revised": 0, "unchanged": 0, "pending": 0, "rejected": 0})
    for result in results:
        found[result.code] += 1
        found["pending"] += result.pending
    return dict(found)


async def label_all(log: LabelLog, told_now: Iterable[Label | WrongLabel]) -> list[LabelResult]:
    """Writes the labels that are good; the result of each, in their order.

    Raises:
        Unavailable: MongoDB is down, hangs or is busy.
        OutcomeUnknown: some may be written; sending all of them again is safe.
    """
    labels = await run_cooperatively(told_now)
    good = [each for each in labels if isinstance(each, Label)]
    known = await log.known({each.prediction_id for each in good}) if good else {}
    told, refused = _sorted(good, known, log, await log.rules.get())
    changes = await log.add_all(told) if told else {}
    in_turn = {prediction_id: iter(those) for prediction_id, those in changes.items()}

    def result(label: Label | WrongLabel) -> LabelResult:
        if isinstance(label, WrongLabel):
            return LabelResult(label.prediction_id, 422, "rejected", errors=label.errors)
        if label.prediction_id in refused:
            return _refused(label, refused[label.prediction_id])
        change = next(in_turn[label.prediction_id])
        if change == "refused":
            return _refused(label, TooManyRevisions)
        pending = label.prediction_id not in known
        return LabelResult(label.prediction_id, STATUS[change], change, pending)

    return [result(each) for each in labels]


def _sorted(
    labels: Sequence[Label], known: Mapping[UUID, Document], log: LabelLog, rules: Rules
) -> tuple[dict[UUID, Told], dict[UUID, type[ServiceError]]]:
    """What is said of each prediction, and why of some nothing may be said."""
    received_at = now()
    told: dict[UUID, Told] = {}
    refused: dict[UUID, type[ServiceError]] = {}
    for label in labels:
        prediction_id = label.prediction_id
        if prediction_id not in told and prediction_id not in refused:
            try:
                expires_at = log.expiry(prediction_id, known.get(prediction_id), rules)
                told[prediction_id] = Told([], expires_at)
            except (PredictionNotFound, PredictionExpired) as refusal:
                refused[prediction_id] = type(refusal)
        if prediction_id in told:
            told[prediction_id].observations.append(observation_of(label, received_at))
    return told, refused


def _refused(label: Label, kind: type[ServiceError]) -> LabelResult:
    fault = FieldError(pointer="/prediction_id", code=kind.code, detail=f"{kind.title}.")
    return LabelResult(label.prediction_id, kind.status, "rejected", errors=[fault])
