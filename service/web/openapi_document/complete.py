"""Complete FastAPI's document, so that generators of clients and linters take it whole."""

from collections.abc import Iterable
from typing import Any

from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import BaseRoute

from service.web.openapi import Problem
from service.web.openapi_document.components import HEADERS, shared_responses
from service.web.openapi_document.nested_schemas import schemas_in
from service.web.openapi_document.operations import complete_operation


def complete_document(
    document: dict[str, Any], routes: Iterable[BaseRoute], more: dict[str, Any]
) -> None:
    """Add to FastAPI's document what the routes and all of them together have.

    Args:
        document: it is changed.
        routes: those of the application.
        more: the schemas that are not Pydantic's, by name.
    """
    components = document.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update(problem.pop("$defs", {}), Problem=problem, **more)
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                if method.lower() in (path := document["paths"][route.path_format]):
                    complete_operation(path[method.lower()], route)
            if route.body_field is not None:
                _complete_examples(document, route.body_field.field_info.annotation)
    used = _references(document["paths"])
    components["responses"] = {
        name: response
        for name, response in shared_responses().items()
        if f"#/components/responses/{name}" in used
    }
    components["headers"] = HEADERS
    _complete_security(document)
    for _, schema in schemas_in(document):
        _complete_schema(schema)


def _complete_examples(document: dict[str, Any], body: Any) -> None:
    """Write the examples of a body's models again, because FastAPI leaves out their nulls."""
    made = TypeAdapter(body).json_schema()
    for name, schema in (*made.get("$defs", {}).items(), (made.get("title"), made)):
        if "example" in schema and name in (known := document["components"]["schemas"]):
            known[name]["example"] = schema["example"]


def _complete_security(document: dict[str, Any]) -> None:
    """Declare bearer tokens, and name the scopes that some operation requires."""
    schemes = document["components"]["securitySchemes"]
    schemes["api_key"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `pk_<id>_<secret>`, or any other token.",
    }
    required = {
        scope
        for path in document["paths"].values()
        for operation in path.values()
        for requirement in operation["security"]
        for scope in requirement.get("bearer", ())
    }
    flow = schemes["bearer"]["flows"]["password"]
    # An ``admin`` shows more of the same operation.
    flow["scopes"] = {
        name: text
        for name, text in flow["scopes"].items()
        if name in required or name.endswith(":admin")
    }


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    return set()


def _complete_schema(schema: dict[str, Any]) -> None:
    """Say what an array holds; drop titles that repeat a name, and types beside a reference.

    FastAPI declares the type of text for each response that is not JSON.
    """
    if "$ref" in schema:
        schema.pop("type", None)
    kinds = schema.get("type")
    if "array" in (kinds if isinstance(kinds, list) else [kinds]) and "prefixItems" not in schema:
        schema.setdefault("items", {})
    for name, part in schema.get("properties", {}).items():
        if isinstance(part, dict) and part.get("title") == name.replace("_", " ").title():
            del part["title"]
