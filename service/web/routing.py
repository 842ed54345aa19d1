"""The routes of the application: put side by side, and found by how their address begins."""

import copy
from collections import defaultdict
from collections.abc import Callable

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from service.web.route import Route


def add_routes(app: FastAPI, prefix: str, router: APIRouter) -> None:
    """Puts the routes of a router among the application's own.

    Those of an included router are looked for anew with every request, twice for each router that
    is included in it: /livez took 218 µs instead of 133.
    """
    for route in iter_route_contexts(router.routes):
        original = route.original_route
        assert isinstance(original, APIRoute)  # noqa: S101 - features have no others
        app.router.add_api_route(
            f"{prefix}{route.path}",
            original.endpoint,
            response_model=route.response_model,
            status_code=route.status_code,
            tags=list(route.tags),
            dependencies=list(route.dependencies),
            responses=route.responses,
            methods=route.methods,
            response_class=route.response_class,
            name=route.name,
            route_class_override=type(original),
            openapi_extra=route.openapi_extra,
        )


class Directory:
    """In front of a router: asks the few routes under ``/v1/users`` instead of each there is.

    A router tries its routes one after the other, 0.8 µs each: the last of 110 waited for 85 µs.
    What belongs to no shelf, an address of ours or not, is left to the whole router. Direct routes
    are called at once, which spares one prediction 20 µs.

    Args:
        router: has all routes already.
        within: the layers around it that turn what routes raise into answers.
    """

    def __init__(self, router: APIRouter, within: Callable[[ASGIApp], ASGIApp]) -> None:
        self._whole = within(router.app)
        self._at_once: dict[tuple[str, str], Route] = {}
        shelves: dict[str, list[BaseRoute]] = defaultdict(list)
        for route in router.routes:
            shelves[_shelf(getattr(route, "path", ""))].append(route)
            if isinstance(route, Route) and route.policy.direct and not route.param_convertors:
                self._at_once |= {(each, route.path): route for each in route.methods or ()}
        self._shelves = {
            name: within(_with_routes(router, routes).app) for name, routes in shelves.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._whole(scope, receive, send)
            return
        path = scope["path"]
        route = self._at_once.get((scope["method"], path))
        if route is not None:
            scope["route"], scope["path_params"] = route, {}
            await route.app(scope, receive, send)
            return
        await self._shelves.get(_shelf(path), self._whole)(scope, receive, send)


def _shelf(path: str) -> str:
    """The first two segments: ``/v1/users`` of ``/v1/users/{user_id}/posts``."""
    return "/".join(path.split("/", 3)[:3])


def _with_routes(router: APIRouter, routes: list[BaseRoute]) -> APIRouter:
    shelf = copy.copy(router)
    shelf.routes = routes
    return shelf
