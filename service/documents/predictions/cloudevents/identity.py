"""Which half of which pair a CloudEvent is, by the attributes that its sender sets.

- KServe's logger (kserve/kserve, pkg/logger/worker.go) sends a request and its response with one
  id. ``inferenceservicename``, ``namespace``, ``component`` and ``endpoint`` name the model. The
  source is the pod, which the sender of the request does not know; so it plays no part.
- Seldon's logger gives each message an id of its own, and both ``requestid``; ``modelid`` is the
  node of the graph.
- Azure ML's data collector gives both ``correlationid``. The source is the path of the deployment:
  its endpoint is the model, and ``modelversion`` the version.
"""

import re
from typing import Any, Literal
from uuid import UUID, uuid5

from msgspec import Struct

from service.documents.predictions.cloudevents.attributes import (
    CloudEvent,
    NotACloudEvent,
    invalid,
)

Side = Literal["request", "response"]
SIDES: tuple[Side, Side] = ("request", "response")
_AZURE = "azureml.inference."
SIDE_OF_TYPE: dict[str, Side] = {
    **{f"org.kubeflow.serving.inference.{side}": side for side in SIDES},
    **{f"io.seldon.serving.inference.{side}": side for side in SIDES},
    **dict.fromkeys((f"{_AZURE}model_inputs", f"{_AZURE}inputs", f"{_AZURE}request"), "request"),
    **dict.fromkeys(
        (f"{_AZURE}model_outputs", f"{_AZURE}outputs", f"{_AZURE}response"), "response"
    ),
}
# uuid5(NAMESPACE_URL, "https://polystore.dev/cloudevents")
NAMESPACE = UUID("c2efa09e-693a-5b4e-b23c-86e71a609d54")
MAX_NAME_CHARS = 200
_NAMES = ("namespace", "inferenceservicename", "component", "endpoint")
_CONTEXT = ("namespace", "component", "endpoint")
_DEPLOYMENT = re.compile(
    r"(?:.*/workspaces/(?P<namespace>[^/]+))?/(?:online|batch)Endpoints/(?P<model>[^/]+)"
    r"(?:/deployments/(?P<component>[^/]+))?/?",
    re.IGNORECASE,
)


class Identity(Struct):
    """A half of a pair. ``names`` are those of the model, in the words of KServe's extensions.

    ``violation`` is what makes the names unusable. The half then has a pair of its own kind, that
    no names in order lead to.
    """

    pair_id: UUID
    side: Side
    model: str
    event_id: str
    context: dict[str, str]
    version: str
    violation: NotACloudEvent | None = None


def identify(event: CloudEvent) -> Identity:
    """Return whose half an event of ``SIDE_OF_TYPE`` is."""
    names, event_id = _names_of(event)
    model = names.get("inferenceservicename", "")
    identity = Identity(
        pair_id=pair_id_of(names.get("namespace", ""), model, names.get("component", ""), event_id),
        side=SIDE_OF_TYPE[event.type],
        model=model,
        event_id=event_id[:MAX_NAME_CHARS],
        context={name: names[name] for name in _CONTEXT if name in names},
        version=event.extensions.get("modelversion", "") if event.type.startswith(_AZURE) else "",
    )
    try:
        _check_names(names, event_id)
    except NotACloudEvent as error:
        parts = (*(names.get(name, "") for name in _NAMES), event_id)
        # No attribute has a line break, so that these ids differ from those of pair_id_of().
        identity.pair_id = uuid5(NAMESPACE, "\n".join(parts))
        identity.violation, identity.model = error, model[:MAX_NAME_CHARS]
        identity.context = {}
    return identity


def _names_of(event: CloudEvent) -> tuple[dict[str, str], str]:
    """Return the names in KServe's words, and the id that request and response share."""
    extensions = event.extensions
    names = {name: extensions[name] for name in _NAMES if name in extensions}
    if event.type.startswith(_AZURE):
        path = _DEPLOYMENT.fullmatch(event.source)
        found: dict[str, Any] = {} if path is None else path.groupdict()
        found["inferenceservicename"] = found.pop("model", None)
        names = {name: value for name, value in found.items() if value} | names
        shared = extensions.get("correlationid") or extensions.get("xrequestid")
    elif event.type.startswith("io.seldon."):
        if "modelid" in extensions:
            names.setdefault("component", extensions["modelid"])
        shared = extensions.get("requestid")
    else:
        shared = None
    return names, (shared or event.id)


def _check_names(names: dict[str, str], event_id: str) -> None:
    if len(event_id) > MAX_NAME_CHARS:
        raise invalid("/id", f"Join the pair by at most {MAX_NAME_CHARS} characters.")
    for name in _NAMES:
        value = names.get(name, "")
        if len(value) > MAX_NAME_CHARS or "/" in value:
            raise invalid(f"/{name}", f"Use at most {MAX_NAME_CHARS} characters and no slash.")
    model = names.get("inferenceservicename", "")
    if not model or model.startswith("$"):
        detail = "Name the model, without $ at the beginning."
        raise invalid("/inferenceservicename", detail, "invalid" if model else "missing")


def pair_id_of(namespace: str, service: str, component: str, event_id: str) -> UUID:
    """Return UUIDv5 of ``namespace/service/component/id``, which a sender can compute too.

    It is also the prediction_id of a pair with one row; see :func:`prediction_ids`.
    """
    return uuid5(NAMESPACE, f"{namespace}/{service}/{component}/{event_id}")


def prediction_ids(pair_id: UUID, rows: int) -> list[UUID]:
    """Return the ids of a pair's predictions; of several rows, UUIDv5 of row number in pair id."""
    return [pair_id] if rows == 1 else [uuid5(pair_id, str(row)) for row in range(rows)]
