"""Responses to CloudEvents."""

import msgspec
from fastapi import Response

from service.documents.predictions.cloudevents.schemas import CloudEventRead, CloudEventsRead


def event_response(result: CloudEventRead) -> Response:
    """Return the response to one CloudEvent, with the Location of its one prediction."""
    response = _json(result, result.status)
    if len(result.prediction_ids) == 1:
        response.headers["Location"] = f"/v1/predictions/{result.prediction_ids[0]}"
    return response


def batch_response(results: CloudEventsRead) -> Response:
    """Return the response to a batch: 207 if an event was rejected, else 200."""
    return _json(results, 207 if results.rejected else 200)


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
