"""Errors that every part of the prediction log shares."""

from service.core.errors import Conflict, NotFound


class PredictionNotFound(NotFound):
    code, title = "prediction_not_found", "The prediction does not exist"


class PredictionConflict(Conflict):
    code, title = "conflict", "Another event was logged under this id"
    detail = "Mint a new id for each event; the stored event was not overwritten."
    pointer = "/prediction_id"
