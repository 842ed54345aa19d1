"""Access to each of MLflow's addresses, as the application has them."""

import re

import httpx2
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from service.auth.caller import access_of
from service.main import State
from tests.auth.factories import bearer, create_key, create_user

OPEN = {"/health", "/version", "/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"}
ROOTS, FILE = ("/api/", "/ajax-api/"), "/get-artifact"


def addresses(app: FastAPI) -> list[tuple[str, str]]:
    """Return the methods and addresses of MLflow, with something for each parameter."""
    return [
        (method, re.sub(r"\{\w+(:\w+)?\}", "x", str(context.path)))
        for context in iter_route_contexts(app.routes)
        if str(context.path).startswith((*ROOTS, FILE)) and context.path not in OPEN
        for method in sorted(context.methods or ())
    ]


def test_every_address_is_below_both_roots(app: FastAPI) -> None:
    found = {root: set[tuple[str, str]]() for root in ROOTS}
    for method, path in addresses(app):
        for root in ROOTS:
            if path.startswith(root):
                found[root].add((method, path.removeprefix(root)))
    assert found["/api/"] == found["/ajax-api/"]


def test_open_addresses_concern_the_server_alone(app: FastAPI) -> None:
    routes = [
        context.original_route
        for context in iter_route_contexts(app.routes)
        if str(context.path).startswith((*ROOTS, "/health", "/version"))
    ]
    assert {
        route.path
        for route in routes
        if isinstance(route, APIRoute) and not access_of(route.dependencies).scopes
    } == OPEN


async def test_anonymous_caller_is_refused_everywhere(
    app: FastAPI, anonymous_client: httpx2.AsyncClient
) -> None:
    for method, path in addresses(app):
        answer = await anonymous_client.request(method, path)
        found = (answer.status_code, answer.json()["error_code"])
        assert found == (401, "UNAUTHENTICATED"), (method, path)
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_key_of_another_scope_is_refused_everywhere(
    app: FastAPI, anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state, "admin")
    key = await create_key(state, owner.id, "items:read", "users:admin")
    for method, path in addresses(app):
        answer = await anonymous_client.request(method, path, headers=bearer(key))
        found = (answer.status_code, answer.json()["error_code"])
        assert found == (403, "PERMISSION_DENIED"), (method, path)
