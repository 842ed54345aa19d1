"""The models of the registry and of the prediction log, joined by their names."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self
from uuid import UUID

from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import NotFound, Unavailable
from service.documents.predictions.reading.traffic import LoggedModels, ModelSeen, VersionSeen
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
from service.relational.model_registry.rules import number_of
from service.relational.model_registry.serving import (
    Registered,
    RegisteredVersion,
    registered_after,
    registered_as,
)
from service.stores.sql.engine import SqlStore
from service.web.context import RequestContext
from service.web.lists.cursors import Cursor
from service.web.lists.pagination import Paginator

MOST_COUNTED, MOST_IN_LISTS = 10_000, 100  # events of a version
LIST_SECONDS = 1.0  # in which the log is read for a page; then the page ends
LOG_SCOPE = "predictions:read"
NO_TRAFFIC = ModelSeen(None)


class ModelNotFound(NotFound):
    code, title = "model_not_found", "Model is neither registered nor in the log"


class _Part(NamedTuple):
    found: Any
    state: State


class ServedModels:
    """Asks both stores, each with its own deadline.

    The registry shows what the caller may see of it. The log is shown to ``predictions:read``; a
    key that is bound to models sees the events of these.
    """

    def __init__(self, context: RequestContext) -> None:
        state = context.request.state
        self._sql: SqlStore = state.sql
        self._log = LoggedModels(state.mongo)
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
        registered = await _part(
            self._sql.run(lambda session: registered_as(session, self._caller, name), writes=False)
        )
        logged = await _part(
            self._log.read(name, _names(registered.found), most=MOST_COUNTED),
            permitted=self._caller.has_scope(LOG_SCOPE) and self._caller.may_use(name),
        )
        model = logged.found or NO_TRAFFIC
        if registered.found is None and model.period is None:
            raise _missing(registered, logged)
        joined = _join(name, registered.found, model)
        return ServedModelDetail(**dict(joined), parts=_parts(registered, logged))

    async def list(self, query: ServedModelQuery) -> ServedModelPage:
        """Return a page of models by name; it ends early if the log takes long to read.

        Raises:
            Unavailable: both stores are down.
        """
        position = self._paginator.position(query)
        after, limit = position.values[0] if position else "", query.size + 1
        registered, logged = await asyncio.gather(
            _part(
                self._sql.run(lambda session: self._registered(session, after, limit), writes=False)
            ),
            _part(
                self._log.names_after(after, limit, self._caller.may_use),
                permitted=self._caller.has_scope(LOG_SCOPE),
            ),
        )
        models = {model.name: model for model in registered.found or ()}
        names = sorted(models.keys() | set(logged.found or ()))[:limit]
        shown, last = query.split_page(names)
        if logged.found:
            logged = await _part(self._read_log(shown, frozenset(logged.found), models))
            read = [name for name in shown if name in (logged.found or models)]
            last = read[-1] if logged.found and len(read) < len(shown) else last
            shown = read
        if "complete" not in (registered.state, logged.state):
            raise _missing(registered, logged)
        by_name = logged.found or {}
        items = [_join(name, models.get(name), by_name.get(name, NO_TRAFFIC)) for name in shown]
        end = None if last is None else Cursor((last,), UUID(int=0))
        page = self._paginator.page(query, items, end, None)
        return ServedModelPage(items=items, page=page.page, parts=_parts(registered, logged))

    async def _registered(
        self, session: AsyncSession, name: str, limit: int
    ) -> Sequence[Registered]:
        return await registered_after(session, self._caller, name, limit)

    async def _read_log(
        self, names: Sequence[str], logged: frozenset[str], models: Mapping[str, Registered]
    ) -> dict[str, ModelSeen]:
        """Return what the log has of the first names, as many as it reads in LIST_SECONDS."""
        read, ends = dict[str, ModelSeen](), time.monotonic() + LIST_SECONDS
        for name in names:
            asked = _names(models.get(name))
            read[name] = (
                await self._log.read(name, asked, most=MOST_IN_LISTS)
                if name in logged
                else NO_TRAFFIC
            )
            if time.monotonic() > ends:
                break
        return read


async def _part(asked: Awaitable[Any], *, permitted: bool = True) -> _Part:
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


def _names(registered: Registered | None) -> Sequence[str]:
    """Return the names of the shown versions in events."""
    versions = registered.versions if registered else ()
    return [name for version in versions for name in _names_of(version)]


def _names_of(version: RegisteredVersion) -> Sequence[str]:
    """Return a version's number and its aliases; an alias that is a number stands for that one."""
    return [str(version.number), *(one for one in version.aliases if number_of(one) is None)]


def _join(name: str, registered: Registered | None, logged: ModelSeen) -> ServedModel:
    left = {version.version: version for version in logged.versions}
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
        first_seen=logged.period and logged.period.first,
        last_seen=logged.period and logged.period.last,
        versions=versions,
        versions_left_off=registered.version_count - len(known) if registered else 0,
        logged_versions_left_off=logged.versions_left_off,
    )


def _registered_version(
    version: RegisteredVersion, logged: dict[str, VersionSeen]
) -> ServedVersion:
    """Return a version with the events of its number and aliases, which leave ``logged``."""
    names = _names_of(version)
    traffic = [VersionTraffic.model_validate(logged.pop(name)) for name in names if name in logged]
    return ServedVersion(
        version=names[0], traffic=traffic, **version._asdict() | {"aliases": list(version.aliases)}
    )


Models = Annotated[ServedModels, Depends(ServedModels.from_request)]
