"""Search of logged models in the search language, answered as MLflow's clients read it."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Select, Text, cast, select

from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.logged_models.model_names import (
    ModelOrder,
    OfDataset,
    measured_on,
    ordering,
    searchable,
)
from service.relational.logged_models.queries import model_json
from service.relational.logged_models.repository import LoggedModelNotFound
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.reading.searchable import within
from service.relational.search_language.conditions import condition
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.page_rows import page_rows
from service.relational.search_language.page_tokens import PageTokens
from service.stores.sql.context import SqlService

_M = LoggedModel


class ModelSearch(NamedTuple):
    """A search; its ``page_token`` belongs to one with the same other fields."""

    experiment_ids: Sequence[UUID]
    filter: str | None = None
    datasets: Sequence[OfDataset] = ()
    order: Sequence[ModelOrder] = ()
    limit: int = 50
    page_token: str | None = None


class ModelsFound(NamedTuple):
    """JSON texts of logged models, and the token of the next page if there is one."""

    models: list[str]
    next_page_token: str | None


class ModelReader(SqlService):
    """Reads logged models as MLflow answers them."""

    async def get(self, model_id: UUID, *, deleted_too: bool = False) -> str:
        """Return the JSON of a model; raise LoggedModelNotFound."""
        statement = self._models().where(_M.id == model_id)
        if not deleted_too:
            statement = statement.where(_M.deleted_at.is_(None))
        found = (await self._session.execute(statement)).one_or_none()
        if found is None:
            raise LoggedModelNotFound
        text: str = found.model
        return text

    async def search(self, wanted: ModelSearch) -> ModelsFound:
        """Return a page of the models that are not deleted, the newest first by default.

        It ends early at 8 MiB.

        Raises:
            InvalidFilter, InvalidOrder: with the place in the text.
            BadCursor: the page token is of another search.
        """
        order = ordering(wanted.order, wanted.experiment_ids)
        tokens = self._tokens(wanted)
        of_experiments = within(_M.experiment_id, wanted.experiment_ids)
        matches = condition(parse_filter(wanted.filter), searchable(wanted.datasets))
        statement = self._models().add_columns(*order.columns())
        statement = order.apply(statement.where(of_experiments, _M.deleted_at.is_(None), matches))
        if wanted.datasets:
            statement = statement.where(measured_on(wanted.datasets))
        end = tokens.read(wanted.page_token)
        if end is not None:
            statement = statement.where(order.after(end))
        statement = statement.limit(wanted.limit + 1)
        rows, has_more = await page_rows(
            self._session, statement, wanted.limit, lambda row: len(row.model)
        )
        token = tokens.write(order.values(rows[-1])) if has_more else None
        return ModelsFound([row.model for row in rows], token)

    def _models(self) -> Select[Any]:
        found = select(cast(model_json(), Text).label("model")).select_from(_M)
        of_experiment = Experiment.id == _M.experiment_id
        return found.join(Experiment, of_experiment).where(visible_experiment(self._caller))

    def _tokens(self, wanted: ModelSearch) -> PageTokens:
        same = wanted._replace(limit=0, page_token=None)
        return PageTokens(self._context.request.state.signer, "logged_models", *same)


ModelReading = Annotated[ModelReader, Depends(ModelReader.from_request)]
