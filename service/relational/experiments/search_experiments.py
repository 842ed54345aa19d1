"""Search of experiments, by the same language as that of runs."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends
from sqlalchemy import Text, case, cast, func, literal, literal_column, true
from sqlalchemy.orm import aliased

from service.relational.experiments.repository import ExperimentRepository
from service.relational.experiments.schemas import ExperimentRead
from service.relational.experiments.tables import DEFAULT_ID, Experiment, ExperimentTag
from service.relational.search_language.conditions import condition
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.ordering import Ordering, parse_order
from service.relational.search_language.page_rows import page_rows
from service.relational.search_language.page_tokens import PageTokens
from service.relational.search_language.searchable import (
    Attribute,
    Condition,
    Keyed,
    Searchable,
    uuid_of,
)

View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]
_TIES = [(Experiment.created_at, True), (Experiment.id, False)]
_DEFAULT_TEXT = "0"
_ID_TEXT = case(
    (Experiment.id == literal(DEFAULT_ID), literal_column(f"'{_DEFAULT_TEXT}'")),
    else_=func.replace(cast(Experiment.id, Text), "-", ""),
)
_CREATED, _UPDATED = (
    Attribute(column, "time") for column in (Experiment.created_at, Experiment.updated_at)
)
NAMES = Searchable(
    entities={
        "attributes": {
            "name": Attribute(Experiment.name, sets=True),
            "experiment_id": Attribute(
                _ID_TEXT,
                sets=True,
                exact=Experiment.id,
                read=lambda text: DEFAULT_ID if text == _DEFAULT_TEXT else uuid_of(text),
            ),
            "creation_time": _CREATED,
            "created_at": _CREATED,
            "last_update_time": _UPDATED,
            "updated_at": _UPDATED,
        },
        "tags": Keyed(
            lambda: aliased(ExperimentTag),
            on=lambda tag: tag.experiment_id == Experiment.id,
            parent=Experiment,
            order=False,
        ),
    },
    synonyms={"attribute": "attributes", "attr": "attributes", "tag": "tags"},
)


class FoundExperiments(NamedTuple):
    """A page, and the token of the next page if there is one."""

    experiments: Sequence[ExperimentRead]
    next_token: str | None


class ExperimentSearch(ExperimentRepository):
    """Finds what the caller sees."""

    async def search(
        self,
        *,
        limit: int,
        filter_text: str | None = None,
        order_by: Sequence[str] = (),
        view: View = "ACTIVE_ONLY",
        token: str | None = None,
    ) -> FoundExperiments:
        """Return a page of experiments, the newest first by default; it ends early at 8 MiB.

        Args:
            limit: the most experiments of the page.
            filter_text: of the search language.
            order_by: names with ASC or DESC; then the creation, descending, and the id.
            view: whether deleted experiments are found.
            token: of the page before.

        Raises:
            InvalidFilter, InvalidOrder: with the place in the text.
            BadCursor: the token is of another search.
        """
        matches = condition(parse_filter(filter_text), NAMES)
        ordering = Ordering.of(parse_order(order_by), NAMES, _TIES)
        signer = self._context.request.state.signer
        tokens = PageTokens(signer, "experiments", filter_text or "", list(order_by), view)
        end = tokens.read(token)
        statement = self.listing.select().add_columns(*ordering.columns())
        statement = statement.where(self.visible(), _of_view(view), matches)
        if end is not None:
            statement = statement.where(ordering.after(end))
        statement = ordering.apply(statement).limit(limit + 1)
        rows, has_more = await page_rows(self._session, statement, limit, _size)
        token = tokens.write(ordering.values(rows[-1])) if has_more else None
        return FoundExperiments([self.read(row) for row in rows], token)


def _size(row: Any) -> int:
    """Return the characters of an experiment's tags, which are most of it."""
    return sum(map(len, row.tags.values()))


def _of_view(view: View) -> Condition:
    is_active: Condition = Experiment.deleted_at.is_(None)
    return {"ACTIVE_ONLY": is_active, "DELETED_ONLY": ~is_active, "ALL": true()}[view]


ExperimentSearchDep = Annotated[ExperimentSearch, Depends(ExperimentSearch.from_request)]
