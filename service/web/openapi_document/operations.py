"""Complete an operation from its route: summary, scopes, headers, parameters, responses."""

import re
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.auth.caller import access_of
from service.core.errors import Conflict
from service.web.conditional import reply_builder
from service.web.idempotency_key import requested_key
from service.web.openapi import header_references, problems
from service.web.openapi_document.components import (
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    shared_responses,
)
from service.web.openapi_document.parameters import describe_parameters, without_null
from service.web.route import Route
from service.web.schemas import Versioned

_FIRST_SENTENCE = re.compile(r"(.+?)\.(?:\s+|$)(.*)", re.DOTALL)
_SHARED = {f"#/components/responses/{name}": part for name, part in shared_responses().items()}


def complete_operation(operation: dict[str, Any], route: APIRoute) -> None:
    """Add to an operation of FastAPI's document what its route declares."""
    _describe(operation, route)
    _secure(operation, route)
    parameters: list[dict[str, Any]] = operation.setdefault("parameters", [])
    takes_key = _takes_key(route)
    if "304" in operation["responses"]:
        parameters.append(IF_NONE_MATCH)
    if takes_key:
        parameters.append(IDEMPOTENCY_KEY)
        operation["responses"].setdefault("409", problems(Conflict)[409])
    if not parameters:
        del operation["parameters"]
    describe_parameters(parameters)
    _complete_body(operation, route)
    _complete_responses(operation, route, takes_key=takes_key)


def _describe(operation: dict[str, Any], route: APIRoute) -> None:
    """Make the docstring's first sentence the summary, and end the description with the scopes."""
    text = operation.pop("description", "")
    first = _FIRST_SENTENCE.match(text)
    summary, rest = (first[1], first[2]) if first else (text, "")
    operation["summary"] = re.sub(r"\s+", " ", summary).replace("`", "")
    parts = (rest.strip(), _access_text(route))
    operation["description"] = "\n\n".join(part for part in parts if part)


def _access_text(route: APIRoute) -> str:
    access = access_of(route.dependencies)
    if not access.asks:
        return "Takes no credentials."
    if access.scopes is None:
        return "Credentials are optional."
    scopes = ", ".join(f"`{scope}`" for scope in access.scopes)
    return f"Requires the scope {scopes}." if scopes else "Requires credentials of any scope."


def _secure(operation: dict[str, Any], route: APIRoute) -> None:
    """Name all schemes that a route reads, and none where it reads no credentials."""
    access = access_of(route.dependencies)
    scopes = list(access.scopes or ())
    read: list[dict[str, list[str]]] = [{"bearer": scopes}, {"api_key": []}]
    if access.takes_ticket:
        read.append({"ticket": []})
    if not access.asks:
        operation["security"] = []
    else:
        operation["security"] = [{}, *read] if access.scopes is None else read


def _takes_key(route: APIRoute) -> bool:
    """Return whether the same Idempotency-Key repeats the response of this route."""
    if not isinstance(route, Route) or "POST" not in (route.methods or ()):
        return False
    kept = route.keeps_responses and route.writes and not route.policy.own_sessions
    return kept or _depends_on(route.dependant, requested_key)


def _depends_on(dependant: Dependant, call: object) -> bool:
    return any(item.call is call or _depends_on(item, call) for item in dependant.dependencies)


def _complete_body(operation: dict[str, Any], route: APIRoute) -> None:
    """Leave out the null of a body that may be absent, and write examples again.

    FastAPI leaves out the nulls of examples; in a merge patch they remove a value.
    """
    declared = (route.openapi_extra or {}).get("requestBody", {}).get("content", {})
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        content["schema"] = without_null(content["schema"])
        if "$ref" in content["schema"]:
            content["schema"].pop("title", None)  # the name of the endpoint's parameter
        if "example" in declared.get(kind, {}):
            content["example"] = declared[kind]["example"]


def _complete_responses(operation: dict[str, Any], route: APIRoute, *, takes_key: bool) -> None:
    """Declare the headers of responses, and drop what references repeat."""
    names = _success_headers(route, takes_key=takes_key)
    for status, response in operation["responses"].items():
        shared = _SHARED.get(response.get("$ref", ""))
        if shared is not None:
            if status == "default" or response["description"] == shared["description"]:
                del response["description"]
        else:
            found = names if status.startswith("2") else ["X-Request-Id"]
            response["headers"] = {**header_references(*found), **response.get("headers", {})}
            if response["description"] == "Successful Response":
                response["description"] = _SUCCESS.get(status, "Done")


_SUCCESS = {"201": "Created", "204": "Done, without a body"}


def _success_headers(route: APIRoute, *, takes_key: bool) -> list[str]:
    model = route.response_model
    is_model = isinstance(model, type)
    names = []
    if is_model and issubclass(model, Versioned) and _depends_on(route.dependant, reply_builder):
        names += ["ETag", *(["Location"] if route.status_code == 201 else [])]
    if is_model and "page" in getattr(model, "model_fields", {}):
        names.append("Link")
    if takes_key:
        names.append("Idempotency-Replayed")
    if access_of(route.dependencies).asks:
        names += ["RateLimit", "RateLimit-Policy"]
    return [*names, "X-Request-Id"]
