"""Schemas of models as registry and log know them."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from service.relational.model_registry.version_schemas import ShownId
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import Moment, ResponseModel


class VersionTraffic(ResponseModel):
    """Events of a version; ``version`` is its number or alias, as the events name it."""

    version: str
    first_seen: Moment
    last_seen: Moment
    count: int = Field(description="events that are kept")
    count_is_exact: bool = Field(description="false: there are more events than `count`")


class ServedVersion(ResponseModel):
    """A version: a registered one, with the events of its number and aliases, or a name of events.

    ``number``, ``stage``, ``status`` and ``run_id`` are null if it is not registered.
    """

    version: str
    number: int | None = None
    stage: str | None = None
    status: str | None = None
    run_id: ShownId = None
    aliases: list[str] = []
    traffic: list[VersionTraffic] = []


class ServedModel(ResponseModel):
    """A model of the registry, of the log, or of both."""

    name: str
    registered_model_id: UUID | None = Field(description="null: it is not registered")
    description: str | None = None
    first_seen: Moment | None = Field(description="the earliest `timestamp` of an event")
    last_seen: Moment | None = Field(description="the latest `timestamp` of an event")
    versions: list[ServedVersion] = Field(description="registered ones first, the newest first")
    versions_left_off: int = Field(description="registered versions that are not shown")
    logged_versions_left_off: int = Field(
        0, description="versions of events alone that are not shown; counted up to 10,000"
    )


State = Literal["complete", "unavailable", "not_permitted"]


class Parts(ResponseModel):
    """Whether each part of the answer is there; a store that is down leaves its part out."""

    registry: State = Field(description="from PostgreSQL")
    traffic: State = Field(description="from MongoDB; it needs `predictions:read`")


class ServedModelDetail(ServedModel):
    """One model, and whether each part of the answer is there."""

    parts: Parts


class ServedModelPage(Page[ServedModel]):
    """A page of models by name, and whether each part of the answer is there."""

    parts: Parts


class ServedModelQuery(ListQuery):
    sort: Literal["name"] = "name"
    count: Literal["none"] = Field("none", description="models are not counted")
