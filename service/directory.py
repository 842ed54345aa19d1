"""Finds the route of a request among those whose address begins alike."""

import copy
from collections import defaultdict

from fastapi import APIRouter
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send


class Directory:
    """In front of a router: asks the few routes under ``/v1/users`` instead of each there is.

    A router tries its routes one after the other, 0.8 µs each: the last of 110 waited for 85 µs.
    What belongs to no shelf, an address of ours or not, is left to the whole router.
    """

    def __init__(self, router: APIRouter) -> None:
        self._whole = router
        shelves: dict[str, list[BaseRoute]] = defaultdict(list)
        for route in router.routes:
            shelves[_shelf(getattr(route, "path", ""))].append(route)
        self._shelves = {name: _with_routes(router, routes) for name, routes in shelves.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_http = scope["type"] == "http"
        router = self._shelves.get(_shelf(scope["path"]), self._whole) if is_http else self._whole
        await router.app(scope, receive, send)


def _shelf(path: str) -> str:
    """The first two segments: ``/v1/users`` of ``/v1/users/{user_id}/posts``."""
    return "/".join(path.split("/", 3)[:3])


def _with_routes(router: APIRouter, routes: list[BaseRoute]) -> APIRouter:
    shelf = copy.copy(router)
    shelf.routes = routes
    return shelf
