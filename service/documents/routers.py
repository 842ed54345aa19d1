"""All routers of document features, the limits of their bodies, and their own schemas.

A request tries the routes one after the other, about 0.8 µs each (measured): the hot ones are
first. ``/predictions/tail`` is before ``/predictions/{prediction_id}``, which would match it too.
"""

import re

from fastapi import APIRouter

from service.documents.artifacts import mlflow_router as mlflow_artifacts
from service.documents.artifacts import router as artifacts
from service.documents.items import router as items
from service.documents.items import type_router as item_types
from service.documents.predictions.cloudevents import openapi as cloudevent_openapi
from service.documents.predictions.cloudevents import router as cloudevents
from service.documents.predictions.export import router as export
from service.documents.predictions.ingest import router as intake
from service.documents.predictions.labels import openapi as label_openapi
from service.documents.predictions.labels import router as labels
from service.documents.predictions.reading import router as predictions
from service.documents.predictions.tail import router as tail
from service.documents.retention import router as retention

HOT_ROUTERS = [
    module.router for module in (intake, cloudevents, export, tail, predictions)
]  # fmt: skip
ROUTERS = [module.router for module in (items, item_types, labels, retention, artifacts)]
MLFLOW_ROOT = mlflow_artifacts.root_router
MLFLOW_ROUTERS: list[APIRouter] = [
    mlflow_artifacts.router
]  # below each of service.web.mlflow.messages.ROOTS
SCHEMAS = intake.SCHEMAS | label_openapi.SCHEMAS | cloudevent_openapi.SCHEMAS

FILES = re.compile(
    "/v1/(runs|logged_models)/[^/]+/artifacts/|/(ajax-)?api/2.0/mlflow-artifacts/artifacts/"
)
"""The paths whose PUT is a file of any size; see BodyLimitMiddleware."""


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """Return the limit in bytes by path, where it is not the usual one; see BodyLimitMiddleware."""
    return {
        **intake.body_limits(max_batch_bytes),
        **labels.body_limits(max_batch_bytes),
        **cloudevents.body_limits(max_batch_bytes),
    }
