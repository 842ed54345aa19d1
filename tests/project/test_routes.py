"""Rules that hold for every route."""

import re

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from service.core.errors import ServiceError
from service.web.route import Route
from tests.fixtures.client import statuses_of

UNVERSIONED = {"/", "/livez", "/readyz", "/metrics"}
OWN_DOCS = {"/docs", "/docs/assets/{name}", "/redoc", "/openapi.json"}
MLFLOW = ("/api/", "/ajax-api/", "/health", "/version", "/get-artifact")


def routes(app: FastAPI) -> list[RouteContext]:
    return [context for context in iter_route_contexts(app.routes) if context.path not in OWN_DOCS]


def own_paths(app: FastAPI) -> set[str]:
    """Return the addresses but those of MLflow, whose names are not ours."""
    paths = {str(context.path) for context in routes(app)}
    return {path for path in paths if not path.startswith(MLFLOW)}


def test_every_address_has_a_version_but_the_probes(app: FastAPI) -> None:
    assert {path for path in own_paths(app) if not path.startswith("/v1/")} == UNVERSIONED


def test_every_address_is_plural_snake_case(app: FastAPI) -> None:
    for path in own_paths(app) - {"/"}:
        named = path.replace(":text}", "}")  # a parameter that may hold slashes
        for part in named.strip("/").split("/"):
            assert re.fullmatch(r"v1|[a-z_]+|\{[a-z_]+\}", part), path


def test_every_endpoint_reads_strictly_and_declares_its_return_type(app: FastAPI) -> None:
    for context in routes(app):
        route = context.original_route
        assert isinstance(route, Route), context.path
        assert "return" in route.endpoint.__annotations__, context.path


def test_operation_ids_are_the_names_of_the_endpoints(app: FastAPI) -> None:
    ids = [
        operation["operationId"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
    ]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z_]+", operation_id) for operation_id in ids)


def test_every_operation_documents_its_refusals(app: FastAPI) -> None:
    for path, operations in app.openapi()["paths"].items():
        if path in UNVERSIONED:
            continue
        for method, operation in operations.items():
            documented = statuses_of(operation)
            assert {"400", "422", "503", "504"} <= documented, (method, path)
            if path.endswith("}") and method != "put":
                assert "404" in documented, (method, path)


def test_a_code_is_a_word_and_has_one_status() -> None:
    todo, statuses = [ServiceError], dict[str, int]()
    while todo:
        kind = todo.pop()
        todo += kind.__subclasses__()
        assert re.fullmatch(r"[a-z0-9_]+", kind.code)
        if "code" in kind.__dict__:
            assert statuses.setdefault(kind.code, kind.status) == kind.status, kind.code


def test_no_endpoint_runs_in_a_thread(app: FastAPI) -> None:
    for context in routes(app):
        assert isinstance(context.original_route, APIRoute)
        assert context.original_route.endpoint.__code__.co_flags & 0x80, (
            f"{context.path} is not async"
        )
