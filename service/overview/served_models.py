"""The models of the registry and of the prediction log, joined by their names."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, NamedTuple, Self, TypeVar
from uuid import UUID

from fastapi import Depends, Request, Response

from service.core.errors import NotFound, Unavailable
from service.documents.predictions.reading.traffic import (
    ModelSeen,
    VersionSeen,
    logged_after,
    logged_as,
)
from service.overview.schemas import (
    Parts,
    ServedModel,
    ServedModelDetail,
    ServedModelPage,
    ServedModelQuery,
    ServedVersion,
    State,
    VersionTraffic,
)
from service.relational.model_registry.serving import (
    Registered,
    RegisteredVersion,
    registered_after,
    registered_as,
)
from service.stores.mongo.client import MongoStore
from service.stores.sql.engine import SqlStore
from service.web.context import RequestContext
from service.web.lists.cursors import Cursor
from service.web.lists.pagination import Paginator

MOST_COUNTED, MOST_IN_LISTS = 100_000, 1_000  # events of a version
T = TypeVar("T")


class ModelNotFound(NotFound):
    code, title = "model_not_found", "Model is neither registered nor in the log"


class _Part(NamedTuple):
    found: Any
    state: State


class ServedModels:
    """Asks both stores at once, each with its own deadline.

    The registry shows what the caller may see of it. The log is shown to ``predictions:read``; a
    key that is bound to models sees the events of these.
    """

    def __init__(self, context: RequestContext) -> None:
        state = context.request.state
        self._sql: SqlStore = state.sql
        self._mongo: MongoStore = state.mongo
        self._caller, self._paginator = context.caller, context.paginator

    @classmethod
    async def from_request(cls, request: Request, response: Response) -> Self:
        caller, paginator = request.state.caller, Paginator(request, response)
        return cls(RequestContext(request=request, caller=caller, paginator=paginator))

    async def get(self, name: str) -> ServedModelDetail:
        """Return one model.

        Raises:
            ModelNotFound: no store that the caller may ask has it.
            Unavailable: a store is down, and the other does not know the model.
        """
        registered, logged = await self._ask(
            self._sql.run(lambda session: registered_as(session, self._caller, name), writes=False),
            self._mongo.call(
                lambda: logged_as(self._mongo.database, name, most=MOST_COUNTED), writes=False
            ),
            may_read_log=self._caller.may_use(name),
        )
        model = logged.found or ModelSeen(name, [])
        if registered.found is None and not model.versions:
            raise _missing(registered, logged)
        joined = _join(name, registered.found, model.versions)
        return ServedModelDetail(**dict(joined), parts=_parts(registered, logged))

    async def list(self, query: ServedModelQuery) -> ServedModelPage:
        """Return a page of models by name.

        Raises:
            Unavailable: both stores are down.
        """
        position = self._paginator.position(query)
        after, limit = position.values[0] if position else "", query.size + 1
        registered, logged = await self._ask(
            self._sql.run(
                lambda session: registered_after(session, self._caller, after, limit),
                writes=False,
            ),
            self._mongo.call(lambda: self._logged_after(after, limit), writes=False),
            may_read_log=True,
        )
        by_name = {model.name: model for model in registered.found or ()}
        versions = {model.name: model.versions for model in logged.found or ()}
        names = sorted(by_name.keys() | versions.keys())[:limit]
        shown, last = query.split_page(names)
        items = [_join(name, by_name.get(name), versions.get(name, ())) for name in shown]
        end = None if last is None else Cursor((last,), UUID(int=0))
        page = self._paginator.page(query, items, end, None)
        return ServedModelPage(items=items, page=page.page, parts=_parts(registered, logged))

    async def _logged_after(self, name: str, limit: int) -> Sequence[ModelSeen]:
        database, shows = self._mongo.database, self._caller.may_use
        return await logged_after(database, name, limit, shows=shows, most=MOST_IN_LISTS)

    async def _ask(
        self, registry: Awaitable[Any], log: Awaitable[Any], *, may_read_log: bool
    ) -> tuple[_Part, _Part]:
        permitted = may_read_log and self._caller.has_scope("predictions:read")
        parts = await asyncio.gather(_part(registry), _part(log, permitted=permitted))
        if not any(part.state == "complete" for part in parts):
            raise _missing(*parts)
        return parts


async def _part(asked: Awaitable[T], *, permitted: bool = True) -> _Part:
    if not permitted:
        if asyncio.iscoroutine(asked):
            asked.close()
        return _Part(None, "not_permitted")
    try:
        return _Part(await asked, "complete")
    except Unavailable:
        return _Part(None, "unavailable")


def _missing(*parts: _Part) -> Exception:
    if any(part.state == "unavailable" for part in parts):
        return Unavailable("A store does not answer, and the other has no such model; try again.")
    return ModelNotFound()


def _parts(registered: _Part, logged: _Part) -> Parts:
    return Parts(registry=registered.state, traffic=logged.state)


def _join(name: str, registered: Registered | None, logged: Sequence[VersionSeen]) -> ServedModel:
    left = {version.version: version for version in logged}
    known = registered.versions if registered else ()
    versions = [_registered_version(version, left) for version in known]
    versions += [
        ServedVersion(version=one.version, traffic=[VersionTraffic.model_validate(one)])
        for one in left.values()
    ]
    return ServedModel(
        name=name,
        registered_model_id=registered.id if registered else None,
        description=registered.description if registered else None,
        first_seen=min((one.first_seen for one in logged), default=None),
        last_seen=max((one.last_seen for one in logged), default=None),
        versions=versions,
        versions_left_off=registered.version_count - len(known) if registered else 0,
    )


def _registered_version(
    version: RegisteredVersion, logged: dict[str, VersionSeen]
) -> ServedVersion:
    """Return a version with the events of its number and aliases, which leave ``logged``."""
    names = [str(version.number), *version.aliases]
    traffic = [VersionTraffic.model_validate(logged.pop(name)) for name in names if name in logged]
    return ServedVersion(
        version=names[0], traffic=traffic, **version._asdict() | {"aliases": list(version.aliases)}
    )


Models = Annotated[ServedModels, Depends(ServedModels.from_request)]
