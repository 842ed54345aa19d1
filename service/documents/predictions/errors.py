"""Errors that every part of the prediction log shares."""

from service.auth.caller import Caller, Forbidden
from service.core.errors import Conflict, NotFound


class PredictionNotFound(NotFound):
    code, title = "prediction_not_found", "The prediction does not exist"


class ModelForbidden(Forbidden):
    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model; in lists, name one of your models: ?model="
    pointer = "/model"


class PredictionConflict(Conflict):
    code, title = "conflict", "Another event was logged under this id"
    detail = "Mint a new id for each event; the stored event was not overwritten."
    pointer = "/prediction_id"


def check_model(caller: Caller, model: str | None) -> None:
    """Raise ModelForbidden if the caller's key is bound to models and ``model`` is none of them.

    ``None`` asks for every model, which a bound key may not.
    """
    if not caller.may_use(model or ""):
        raise ModelForbidden
