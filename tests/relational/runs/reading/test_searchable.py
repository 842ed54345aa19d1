"""Names of a search of runs, as SQL."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from service.relational.runs.reading.searchable import run_names, within
from service.relational.runs.tables import Run
from service.relational.search_language.conditions import condition
from service.relational.search_language.grammar import parse_filter


def test_ids_of_a_search_are_sent_once() -> None:
    ids = [UUID(int=number) for number in range(3)]
    clauses = " AND ".join(f"params.p{number} = '1'" for number in range(20))
    matches = condition(parse_filter(f"{clauses} AND metrics.m > 0"), run_names(ids))
    page = select(Run.id).where(within(Run.experiment_id, ids), matches).subquery()
    compiled = select(page).compile(dialect=dialect())  # type: ignore[no-untyped-call]
    assert compiled.string.count("experiment_id = ANY") == 22
    assert list(compiled.params.values()).count(ids) == 1
    assert compiled.positiontup is not None
    assert compiled.positiontup.count("experiment_ids") == 1
