"""Retention rules at one moment: when a prediction expires, and whether it has expired.

Days count from the event's timestamp or from its receipt, whichever is earlier. A timestamp in the
future therefore extends nothing, and an expired event is too old to be sent again. A UUIDv7 holds
the time of its creation (RFC 9562): an event whose id is too old is refused as well, because it may
have been stored and deleted before. Other ids say nothing about time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.core.errors import FieldError, ServiceError, field_error
from service.stores.mongo.client import Document, now

EVENT_EXPIRED = "event_expired"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class PredictionExpired(ServiceError):
    """Error of a label whose prediction has expired, or would have if it had been stored."""

    status, code, title = 410, "prediction_expired", "Prediction has expired"
    detail = "Send labels before the retention of the model ends."
    pointer = "/prediction_id"


@dataclass(frozen=True)
class Rules:
    """All rules at one moment: periods by model and by version. None is unlimited."""

    default: timedelta | None = None
    of_models: Mapping[str, timedelta] = field(default_factory=dict)
    of_versions: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Document], default_days: int | None) -> "Rules":
        """Return the rules of these documents; removed rules have no days."""
        models, versions = dict[str, timedelta](), dict[tuple[str, str], timedelta]()
        for document in documents:
            if document["days"] is None:
                continue
            model, version = document["model"], document["model_version"]
            period = timedelta(days=document["days"])
            if version is None:
                models[model] = period
            else:
                versions[model, version] = period
        default = None if default_days is None else timedelta(days=default_days)
        return cls(default, models, versions)

    @property
    def longest(self) -> timedelta | None:
        """The longest period of all; None if any is unlimited."""
        if self.default is None:
            return None
        return max((self.default, *self.of_models.values(), *self.of_versions.values()))

    def period(self, model: str, version: str) -> timedelta | None:
        """Return the period of a version: by its own rule, its model's, or the default."""
        period = self.of_versions.get((model, version))
        return self.of_models.get(model, self.default) if period is None else period

    def expiry(self, prediction: Document) -> datetime | None:
        """Return the time at which a prediction expires; None is never."""
        period = self.period(prediction["model"], prediction["version"])
        if period is None:
            return None
        since: datetime = min(prediction["timestamp"], prediction["received_at"])
        return since + period

    def with_expiry(self, prediction: Document) -> Document:
        """Set ``expires_at``, which is no part of the hash, if the document expires; return it."""
        expires_at = self.expiry(prediction)
        if expires_at is not None:
            prediction["expires_at"] = expires_at
        return prediction

    def expiry_violation(
        self, prediction_id: UUID, model: str, version: str, timestamp: datetime
    ) -> FieldError | None:
        """Return the error of an event that is too old to be stored; None if it is not."""
        period = self.period(model, version)
        if period is None:
            return None
        oldest = now() - period
        if timestamp <= oldest:
            return _too_old("timestamp", period)
        return _too_old("prediction_id", period) if _made_by(prediction_id, oldest) else None

    def has_expired(self, prediction_id: UUID) -> bool:
        """Return whether a prediction with this id has expired under every rule."""
        longest = self.longest
        return longest is not None and _made_by(prediction_id, now() - longest)

    def label_expiry(self, prediction_id: UUID, prediction: Document | None) -> datetime | None:
        """Return the time at which a new label expires; None is never.

        A label expires with its prediction, or as late as a missing prediction could.

        Args:
            prediction_id: the prediction of the label.
            prediction: its stored ``expires_at``, if it has one; None if it is not stored.

        Raises:
            PredictionExpired: it has expired, or would have if it had been stored.
        """
        if prediction is None:
            if self.has_expired(prediction_id):
                raise PredictionExpired
            return None if self.longest is None else now() + self.longest
        expires_at: datetime | None = prediction.get("expires_at")
        if expires_at is not None and expires_at <= now():  # MongoDB deletes once a minute
            raise PredictionExpired
        return expires_at


def _made_by(prediction_id: UUID, moment: datetime) -> bool:
    """Return whether a UUIDv7 was created by ``moment``; False for other ids."""
    number = prediction_id.int
    if number >> 76 & 0xF != 7 or number >> 62 & 0b11 != 0b10:
        return False
    return number >> 80 <= (moment - _EPOCH) // _MILLISECOND


def _too_old(name: str, period: timedelta) -> FieldError:
    detail = f"Send events of this model within {period.days} days; this one is older."
    return field_error(pointer=f"/{name}", code=EVENT_EXPIRED, detail=detail)
