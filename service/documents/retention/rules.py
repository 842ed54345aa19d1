"""What the rules come to: until when something is kept, and whether it has expired.

Days count from what happened or from when we heard of it, whichever was first: so nobody has an
event kept longer by dating it into the future, and one that expired is too old to be sent again. An
id of version 7 (RFC 9562) says when it was made; an event whose id is too old is refused as well,
for it may have been here and gone. Of other ids nothing is known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from service.core.errors import FieldError, ServiceError
from service.stores.mongo.client import Document, now

EVENT_EXPIRED = "event_expired"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class PredictionExpired(ServiceError):
    """Of a label: what it is about was kept as long as it was to be, or would have been."""

    status, code, title = 410, "prediction_expired", "This prediction has expired"
    detail = "It was kept as long as the retention of its model says; labels come too late for it."
    pointer = "/prediction_id"


@dataclass(frozen=True)
class Rules:
    """All rules at one moment; ``default`` is that of the settings, None is for ever."""

    default: timedelta | None = None
    of_models: Mapping[str, timedelta] = field(default_factory=dict)
    of_versions: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)

    @classmethod
    def of(cls, documents: Iterable[Document], default_days: int | None) -> "Rules":
        """From what is kept; removed rules have no days."""
        models, versions = dict[str, timedelta](), dict[tuple[str, str], timedelta]()
        for each in documents:
            if each["days"] is None:
                continue
            kept = timedelta(days=each["days"])
            if each["model_version"] is None:
                models[each["model"]] = kept
            else:
                versions[each["model"], each["model_version"]] = kept
        default = None if default_days is None else timedelta(days=default_days)
        return cls(default, models, versions)

    @property
    def longest(self) -> timedelta | None:
        """How long anything at all is kept; None if something is for ever."""
        if self.default is None:
            return None
        return max((self.default, *self.of_models.values(), *self.of_versions.values()))

    def kept(self, model: str, version: str) -> timedelta | None:
        """How long a version's predictions are kept: by its own rule, its model's, the default."""
        kept = self.of_versions.get((model, version))
        return self.of_models.get(model, self.default) if kept is None else kept

    def expiry(self, prediction: Document) -> datetime | None:
        """When a document of the log goes; None is never."""
        kept = self.kept(prediction["model"], prediction["version"])
        if kept is None:
            return None
        since: datetime = min(prediction["timestamp"], prediction["received_at"])
        return since + kept

    def stamped(self, prediction: Document) -> Document:
        """The document with its ``expires_at``, if it has one. No part of its hash."""
        expires_at = self.expiry(prediction)
        if expires_at is not None:
            prediction["expires_at"] = expires_at
        return prediction

    def fault_in(
        self, prediction_id: UUID, model: str, version: str, timestamp: datetime
    ) -> FieldError | None:
        """Why an event comes too late to be kept; None if it does not."""
        kept = self.kept(model, version)
        if kept is None:
            return None
        oldest = now() - kept
        if timestamp <= oldest:
            return _too_old("timestamp", kept)
        return _too_old("prediction_id", kept) if _made_by(prediction_id, oldest) else None

    def has_expired(self, prediction_id: UUID) -> bool:
        """Whether what is not there cannot be any more, whatever its model, nor come again."""
        longest = self.longest
        return longest is not None and _made_by(prediction_id, now() - longest)

    def label_expiry(self, prediction_id: UUID, prediction: Document | None) -> datetime | None:
        """When labels that come now go: with their prediction, or as late as it could go.

        Args:
            prediction_id: what the label is about.
            prediction: its ``expires_at``, if it has one, as stored; None if it is not there.

        Raises:
            PredictionExpired: it was there, or would have gone already.
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
    """Whether an id of version 7 is as old as that; False of all others."""
    number = prediction_id.int
    if number >> 76 & 0xF != 7 or number >> 62 & 0b11 != 0b10:
        return False
    return number >> 80 <= (moment - _EPOCH) // _MILLISECOND


def _too_old(name: str, kept: timedelta) -> FieldError:
    detail = f"Predictions of this model are kept for {kept.days} days; this one is older."
    return FieldError(pointer=f"/{name}", code=EVENT_EXPIRED, detail=detail)
