"""Routes about the server itself: it runs, and what it can do."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from service.auth.caller import PUBLIC
from service.relational.mlflow.route import MlflowRoute
from service.web.mlflow.messages import MlflowResponse
from service.web.route import policy

# The version of MLflow whose protocol these addresses follow, not ours: clients compare it with
# their own, and show it.
PROTOCOL_VERSION = "3.17.2"

# Without a root: `/health`.
root_router = APIRouter(route_class=MlflowRoute)
# Below each root: `/api/3.0/mlflow/server-info`.
router = APIRouter(prefix="/3.0/mlflow", route_class=MlflowRoute)


class ServerInfo(MlflowResponse):
    """The abilities of this server; clients send whole files where multipart is not enabled."""

    store_type: str = "SqlStore"
    workspaces_enabled: bool = False
    multipart_uploads_enabled: bool = False
    multipart_downloads_enabled: bool = False


@root_router.get("/health", dependencies=[PUBLIC])
@policy(own_sessions=True)
async def mlflow_health() -> PlainTextResponse:
    """Report that the process runs, as /livez does."""
    return PlainTextResponse("OK")


@root_router.get("/version", dependencies=[PUBLIC])
@policy(own_sessions=True)
async def mlflow_version() -> PlainTextResponse:
    """Return the version of MLflow whose protocol this is."""
    return PlainTextResponse(PROTOCOL_VERSION)


@router.get("/server-info", dependencies=[PUBLIC])
@policy(own_sessions=True)
async def mlflow_server_info() -> ServerInfo:
    """Return what clients ask before their first download."""
    return ServerInfo()
