"""Route of MongoDB features: each request runs in a slot and within a deadline."""

from typing import ClassVar

from fastapi import Request, Response

from service.stores.mongo.client import MongoStore
from service.web.route import Endpoint, Route

SAFE_METHODS = ("GET", "HEAD")


class MongoRoute(Route):
    """For the routers of MongoDB features: ``APIRouter(route_class=MongoRoute)``.

    There is no transaction: one document, one atomic write.
    """

    only_reads: ClassVar[bool] = False

    async def visit(self, request: Request, endpoint: Endpoint) -> Response:
        mongo: MongoStore = request.state.mongo
        writes = not self.only_reads and request.method not in SAFE_METHODS
        return await mongo.call(lambda: endpoint(request), writes=writes)


class MongoSearchRoute(MongoRoute):
    """For searches, which are sent by POST and change nothing."""

    only_reads = True
