"""Search of runs: one statement a page, which returns each run as the JSON of its answer.

A page begins behind the last run of the page before, by its values in the order; so a run that is
made meanwhile moves no other run between pages.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Select, Subquery, Text, and_, literal_column, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.runs.reading.run_json import ALONE, IN_SEARCH, OWN_FIELDS
from service.relational.runs.reading.searchable import run_names, within
from service.relational.runs.repository import RunNotFound
from service.relational.runs.tables import DELETED_AT, Run
from service.relational.search_language.conditions import condition
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.ordering import Ordering, parse_order
from service.relational.search_language.page_rows import PageRows, page_rows
from service.relational.search_language.page_tokens import PageTokens
from service.relational.search_language.searchable import Condition
from service.stores.sql.context import SqlContext, SqlService

View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
Shape = Literal["own", "mlflow"]
VIEWS: dict[str, View] = {"active": "ACTIVE_ONLY", "deleted": "DELETED_ONLY", "all": "ALL"}
_TIES = [(Run.started_at, True), (Run.id, False)]


class FoundRuns(NamedTuple):
    """A page: each run as JSON, and the token of the next page if there is one."""

    texts: Sequence[str]
    next_token: str | None


class RunSearch(SqlService):
    """Finds what the caller sees; experiments that they do not see have no runs.

    ``session`` is one of its own for a file that is sent in pages, else the request's.
    """

    def __init__(self, context: SqlContext, session: AsyncSession | None = None) -> None:
        super().__init__(context)
        self._own_session = session

    @property
    def _session(self) -> AsyncSession:
        return super()._session if self._own_session is None else self._own_session

    async def page(
        self,
        experiment_ids: Sequence[UUID] | None,
        *,
        shape: Shape,
        limit: int,
        filter_text: str | None = None,
        order_by: Sequence[str] = (),
        view: View = "ACTIVE_ONLY",
        token: str | None = None,
    ) -> FoundRuns:
        """Return a page of runs, the newest first by default; it ends early at 8 MiB.

        Args:
            experiment_ids: where to search; None: in all, empty: in none.
            shape: of each run, ours or MLflow's.
            limit: the most runs of the page.
            filter_text: of the search language.
            order_by: names with ASC or DESC; then the start, descending, and the id.
            view: whether deleted runs are found.
            token: of the page before.

        Raises:
            InvalidFilter, InvalidOrder: with the place in the text.
            BadCursor: the token is of another search.
        """
        names = run_names(experiment_ids)
        matches = condition(parse_filter(filter_text), names)
        ordering = Ordering.of(parse_order(order_by), names, _TIES)
        searched = sorted(map(str, set(experiment_ids))) if experiment_ids is not None else None
        signer = self._context.request.state.signer
        tokens = PageTokens(signer, "runs", searched, filter_text or "", list(order_by), view)
        end = tokens.read(token)
        if experiment_ids is not None and not experiment_ids:
            return FoundRuns((), None)
        found = self._visible(within(Run.experiment_id, experiment_ids), _of_view(view), matches)
        rows, has_more = await self._rows(found, ordering, end, limit, shape)
        token = tokens.write(ordering.values(rows[-1])) if has_more else None
        return FoundRuns([row.shown for row in rows], token)

    async def _rows(
        self,
        found: Select[*tuple[Any, ...]],
        ordering: Ordering,
        end: Sequence[Any] | None,
        limit: int,
        shape: Shape,
    ) -> PageRows:
        """Return the first rows behind ``end``, each with the values of its keys.

        An order by a metric looks among the numbers first, and among all only if those are few.
        """
        found = found.add_columns(*ordering.columns())
        keys = [f"_key{place}" for place in range(len(ordering.keys))]
        # As a constant, because the plan depends on it.
        most: Any = literal_column(str(limit + 1))

        async def read(statement: Select[*tuple[Any, ...]]) -> PageRows:
            page = _shown(statement.limit(most).subquery("page"), IN_SEARCH[shape], keys)
            return await page_rows(self._session, page, limit, lambda row: len(row.shown))

        if ordering.sorted and (end is None or end[0] == 0):
            numbers = await read(ordering.apply_to_numbers(found, end))
            if numbers.has_more:
                return numbers
        if end is not None:
            found = found.where(ordering.after(end))
        return await read(ordering.apply(found))

    async def get(self, run_id: UUID, shape: Literal[Shape, "mlflow info"]) -> str:
        """Return a run as JSON, also a deleted one, or its info alone; raise RunNotFound."""
        page = self._visible(Run.id == run_id).subquery("page")
        text: str | None = await self._session.scalar(_shown(page, ALONE[shape], ()))
        if text is None:
            raise RunNotFound
        return text

    def _visible(self, *conditions: Condition) -> Select[*tuple[Any, ...]]:
        return (
            select(
                *(getattr(Run, name) for name in OWN_FIELDS if name != "deleted_at"),
                DELETED_AT.label("deleted_at"),
                Experiment.artifact_location,
                Experiment.goals,
            )
            .select_from(Run)
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(visible_experiment(self._caller), *conditions)
        )


def _of_view(view: View) -> Condition:
    if view == "ALL":
        return true()
    is_active = and_(Run.deleted_at.is_(None), Experiment.deleted_at.is_(None))
    return is_active if view == "ACTIVE_ONLY" else ~is_active


def _shown(page: Subquery, text: str, keys: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Return the rows of a page in their order, with the values of its keys."""
    shown = literal_column(text, Text).label("shown")
    return select(shown, *(page.c[key] for key in keys)).select_from(page)


RunSearchDep = Annotated[RunSearch, Depends(RunSearch.from_request)]
