"""Responses to CloudEvents."""

from fastapi import Response

from service.documents.predictions.cloudevents.schemas import CloudEventRead, CloudEventsRead
from service.documents.predictions.ingest.schemas import to_response


def event_response(result: CloudEventRead) -> Response:
    """Return the response to one CloudEvent, with the Location of its one prediction."""
    response = to_response(result, result.status)
    if len(result.prediction_ids) == 1:
        response.headers["Location"] = f"/v1/predictions/{result.prediction_ids[0]}"
    return response


def batch_response(results: CloudEventsRead) -> Response:
    """Return the response to a batch: 207 if an event was rejected, else 200."""
    return to_response(results, 207 if results.rejected else 200)
