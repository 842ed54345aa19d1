"""Errors on MLflow's addresses: problems, with what MLflow's clients read beside."""

from service.core.errors import Refused, ServiceError

ERROR_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    408: "BAD_REQUEST",
    416: "BAD_REQUEST",
    429: "REQUEST_LIMIT_EXCEEDED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
# By our own code, where the status is not enough.
CODES = {
    "no_such_address": "ENDPOINT_NOT_FOUND",
    "method_not_allowed": "ENDPOINT_NOT_FOUND",
    "experiment_name_taken": "RESOURCE_ALREADY_EXISTS",
    "registered_model_name_taken": "RESOURCE_ALREADY_EXISTS",
}
KEPT = {401, 403, 404, 405, 408, 416, 429, 501, 503, 504}
SHOWN = 3  # places in a message
# MLflow's clients send Basic if they have a name and a password.
CHALLENGE = 'Basic realm="polystore"'
IN_CLIENTS = "In MLflow's clients, set MLFLOW_TRACKING_TOKEN to it."


def is_mlflow(path: str) -> bool:
    """Return whether a path is one of MLflow's addresses."""
    return path.startswith(("/api/", "/ajax-api/")) or path == "/get-artifact"


def as_mlflow(error: ServiceError) -> tuple[int, dict[str, str]]:
    """Return the status of an error on MLflow's addresses, and the members it adds to a problem.

    A client repeats 408, 429 and 5xx, and raises the others at once. A 401 names Basic too.
    """
    if error.status == 401:
        error.headers["WWW-Authenticate"] = f"{CHALLENGE}, {error.headers['WWW-Authenticate']}"
    status = error.status if error.status in KEPT or error.status >= 500 else 400
    code = CODES.get(error.code) or ERROR_CODES.get(status, "INTERNAL_ERROR")
    return status, {"error_code": code, "message": _message(error)}


def _message(error: ServiceError) -> str:
    """Return what to correct and where, because clients show the message alone."""
    places = [f"{one['pointer'][1:] or 'body'}: {one['detail']}" for one in error.errors[:SHOWN]]
    opening = [] if places and type(error) is Refused else [error.message]
    return " ".join([*opening, *places, *([IN_CLIENTS] if error.status == 401 else [])])
