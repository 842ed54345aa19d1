"""Route of MongoDB features: each request runs in a slot and within a deadline."""

from fastapi import Request, Response

from service.stores.mongo.client import MongoStore
from service.web.route import Endpoint, Route


class MongoRoute(Route):
    """For the routers of MongoDB features: ``APIRouter(route_class=MongoRoute)``.

    There is no transaction: one document, one atomic write.
    """

    async def visit(self, request: Request, endpoint: Endpoint) -> Response:
        mongo: MongoStore = request.state.mongo
        return await mongo.call(lambda: endpoint(request), writes=self.writes)
