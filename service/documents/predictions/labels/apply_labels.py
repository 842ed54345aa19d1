"""Apply labels: each is valid or invalid by itself, and one write takes those of one prediction."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from service.core.cooperative import Slices, run_cooperatively
from service.core.errors import ServiceError, field_error
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.labels.feedback import TooManyRevisions
from service.documents.predictions.labels.label import InvalidLabel, LabelStep
from service.documents.predictions.labels.repository import LabelRepository, LabelUpdate
from service.documents.predictions.labels.schemas import LabelResult
from service.documents.retention.rules import PredictionExpired, Rules
from service.stores.mongo.client import Document

STATUS = {"labelled": 201, "revised": 200, "unchanged": 200, "withdrawn": 200}


async def apply_labels(
    repository: LabelRepository, items: Iterable[LabelStep | InvalidLabel | None]
) -> list[LabelResult]:
    """Write the valid labels; return the result of each item, in order.

    A None among the items ends a part of the work.

    Raises:
        Unavailable: MongoDB is down, hangs or is busy.
        OutcomeUnknown: some may be written; sending all of them again is safe.
    """
    labels = [item for item in await run_cooperatively(items) if item is not None]
    valid = [label for label in labels if isinstance(label, LabelStep)]
    ids = {label.prediction_id for label in valid}
    predictions = await repository.find_predictions(ids) if valid else {}
    if predictions:
        await repository.adopt_early(predictions)
    rules = await repository.rules.get()
    updates, errors = await _group(valid, predictions, repository, rules)
    changes = await repository.apply(updates) if updates else {}
    next_change = {prediction_id: iter(made) for prediction_id, made in changes.items()}

    def result(label: LabelStep | InvalidLabel) -> LabelResult:
        if isinstance(label, InvalidLabel):
            return LabelResult(label.prediction_id, 422, "rejected", errors=label.errors)
        if label.prediction_id in errors:
            return _rejected(label, errors[label.prediction_id])
        change = next(next_change[label.prediction_id])
        if change == "full":
            return _rejected(label, TooManyRevisions)
        is_pending = label.prediction_id not in predictions
        return LabelResult(label.sent_id, STATUS[change], change, is_pending)

    return await run_cooperatively(map(result, labels))


async def _group(
    labels: Sequence[LabelStep],
    predictions: Mapping[UUID, Document],
    repository: LabelRepository,
    rules: Rules,
) -> tuple[dict[UUID, LabelUpdate], dict[UUID, type[ServiceError]]]:
    """Return the update of each prediction, or the error because of which it gets no labels."""
    updates: dict[UUID, LabelUpdate] = {}
    errors: dict[UUID, type[ServiceError]] = {}
    slices = Slices()
    for label in labels:
        await slices.end()
        prediction_id = label.prediction_id
        if prediction_id not in updates and prediction_id not in errors:
            try:
                prediction = predictions.get(prediction_id)
                expires_at = repository.expiry(prediction_id, prediction, rules)
                bound = repository.binding(prediction_id, prediction)
                updates[prediction_id] = LabelUpdate([], expires_at, bound)
            except (PredictionNotFound, PredictionExpired) as error:
                errors[prediction_id] = type(error)
        if prediction_id in updates:
            updates[prediction_id].observations.append(label.observation)
    return updates, errors


def _rejected(label: LabelStep, kind: type[ServiceError]) -> LabelResult:
    error = field_error(pointer="/prediction_id", code=kind.code, detail=f"{kind.title}.")
    return LabelResult(label.sent_id, kind.status, "rejected", errors=[error])
