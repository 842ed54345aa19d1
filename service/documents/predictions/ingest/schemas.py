"""Results of logging events, as msgspec structs: they are encoded as they are, and documented."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Response
from msgspec import Meta, Struct

from service.core.errors import FieldError
from service.documents.predictions.ids import NULLABLE_ID

ResultStatus = Literal[200, 201, 403, 409, 422]


class IntakeError(FieldError):
    """One error of an event; ``pointer`` is the place in the event (RFC 6901)."""


class IntakeResult(Struct, omit_defaults=True):
    """The result of one event: 201 created, 200 duplicate, 409 conflict, 403 or 422 with errors."""

    prediction_id: Annotated[Any, Meta(extra_json_schema=NULLABLE_ID)]
    status: ResultStatus
    code: str
    errors: list[IntakeError] = []


class BatchRead(Struct):
    """The results of a batch, in the order of the request, and how many there are of each kind."""

    created: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[IntakeResult]

    @classmethod
    def of(cls, results: list[IntakeResult]) -> "BatchRead":
        return cls(*totals(count_codes(results)), results)


class StreamLineError(Struct, omit_defaults=True):
    """The errors of one line of the request; lines are counted from 1."""

    line: int
    code: str
    errors: list[IntakeError] = []


class StreamLine(Struct):
    """All lines up to ``committed_through`` are durable; the counts are of all lines so far."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[StreamLineError]


def to_response(result: Struct, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(result), status, headers, media_type="application/json")


def count_codes(results: Iterable[IntakeResult]) -> Counter[str]:
    """Return how many results have each code."""
    return Counter(result.code for result in results)


def totals(counts: Counter[str]) -> tuple[int, int, int, int]:
    """Return the numbers of created, duplicate, conflicting and rejected events."""
    return counts["created"], counts["duplicate"], counts["conflict"], counts["rejected"]
