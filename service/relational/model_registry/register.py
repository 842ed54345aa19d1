"""Registering a version: of a run, a logged model, another version, or an address elsewhere."""

from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends

from service.relational.model_registry.logged_versions import note_version
from service.relational.model_registry.owners import LoggedOwner, logged_model, run_root
from service.relational.model_registry.rules import is_prompt, logged_model_text, run_text
from service.relational.model_registry.sources import (
    PROMPT_SOURCES,
    Registered,
    SourceInvalid,
    address_of,
    registered_source,
    require_owner,
)
from service.relational.model_registry.version_schemas import VersionCreate, VersionRead
from service.relational.model_registry.versions import VersionRepository
from service.relational.runs.repository import RunNotFound
from service.stores.sql.context import SqlContext, SqlService


class Lineage(NamedTuple):
    """Where a version comes from; ``location`` is where its files are."""

    source: str
    location: str
    run_id: str | None
    logged_model_id: str | None


class VersionRegistration(SqlService):
    """Checks the source of a new version, and finds its run, its logged model and its files."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._versions = VersionRepository(context)

    async def register(self, model_id: UUID, wanted: VersionCreate) -> VersionRead:
        """Make the next version of a model.

        Raises:
            RegisteredModelNotFound: the caller sees no such model.
            NotYours: the caller may not change it.
            RunNotFound: the caller sees no such run, and no other source is named.
            SourceInvalid: the source is not allowed, or belongs to neither run nor logged model.
        """
        wanted = _with_stored_ids(wanted)
        model = await self._logged_model(wanted)
        lineage = await self._lineage(wanted, model)
        values = {
            **lineage._asdict(),
            "run_link": wanted.run_link,
            "description": wanted.description,
        }
        made = await self._versions.add(model_id, values, wanted.tags)
        if model is not None:
            await note_version(self._session, self._caller, model.id, made.name, made.number)
        return made

    async def _lineage(self, wanted: VersionCreate, model: LoggedOwner | None) -> Lineage:
        source = wanted.source
        if source is None:
            source = await self._implied_source(wanted, model)
        if is_prompt(wanted.tags):
            if source not in PROMPT_SOURCES:
                raise SourceInvalid("Send the source dummy-source for a prompt.")
            return Lineage(source, source, wanted.run_id, wanted.logged_model_id)
        address = address_of(source)
        if address.scheme == "models":
            return await self._of_registry(source, wanted, model)
        root = None
        if model is None and wanted.run_id is not None:
            root = await run_root(self._session, self._caller, wanted.run_id)
        require_owner(address, wanted.run_id, root, model and model.root)
        run_id = wanted.run_id or (model and model.run_id)
        return Lineage(source, source, run_id, wanted.logged_model_id)

    async def _logged_model(self, wanted: VersionCreate) -> LoggedOwner | None:
        if wanted.logged_model_id is None or is_prompt(wanted.tags):
            return None
        return await logged_model(self._session, self._caller, wanted.logged_model_id)

    async def _implied_source(self, wanted: VersionCreate, model: LoggedOwner | None) -> str:
        """Return the source of a body that names a run or a logged model alone."""
        if model is not None:
            return f"models:/{wanted.logged_model_id}"
        root = None
        if wanted.run_id is not None:
            root = await run_root(self._session, self._caller, wanted.run_id)
        if root is None:
            raise RunNotFound
        return f"{root}/{wanted.artifact_path or ''}".rstrip("/")

    async def _of_registry(
        self, source: str, wanted: VersionCreate, model: LoggedOwner | None
    ) -> Lineage:
        named = registered_source(source)
        if isinstance(named, Registered):
            return await self._of_version(source, named, wanted)
        if named is None or logged_model_text(named) != wanted.logged_model_id:
            raise SourceInvalid("Send the id of the logged model beside it.")
        if model is None:
            raise SourceInvalid("Send the id of a logged model that you may see.")
        return Lineage(source, model.root, wanted.run_id or model.run_id, wanted.logged_model_id)

    async def _of_version(self, source: str, named: Registered, wanted: VersionCreate) -> Lineage:
        """Return the lineage of a copy: that of the version, which the body may only repeat."""
        model_id = await self._versions.models.id_of(named.name)
        number = self._versions.number_as if named.is_alias else self._versions.number_of
        copied = await self._versions.get_of(model_id, await number(model_id, named.version))
        if is_prompt((await self._versions.models.get(model_id)).tags):
            raise SourceInvalid("Send the version of a model, not of a prompt.")
        for sent, kept in (
            (wanted.run_id, copied.run_id),
            (wanted.logged_model_id, copied.logged_model_id),
        ):
            if sent is not None and sent != kept:
                raise SourceInvalid("Send the run and the logged model of the version, or neither.")
        source = f"models:/{named.name}/{copied.number}"
        return Lineage(source, copied.location, copied.run_id, copied.logged_model_id)


def _with_stored_ids(wanted: VersionCreate) -> VersionCreate:
    run_id, model_id = wanted.run_id, wanted.logged_model_id
    return wanted.model_copy(
        update={
            "run_id": run_id and run_text(run_id),
            "logged_model_id": model_id and logged_model_text(model_id),
        }
    )


Registration = Annotated[VersionRegistration, Depends(VersionRegistration.from_request)]
