"""Filters on MLflow's addresses: its names and operators alone; ours below /v1 have more.

Clauses are joined by AND. A client that asks what MLflow's server refuses is refused here too, so
that a filter which works here works there.
"""

from collections.abc import Mapping, Sequence

from service.relational.search_language.errors import InvalidFilter
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.searchable import NULLS, NUMBERS, SETS, TEXTS
from service.relational.search_language.tree import Operator, clauses

Operators = frozenset[Operator]
# The operators of any key of an entity, or those of each attribute.
Entity = Operators | Mapping[str, Operators]
Names = Mapping[str | None, Entity]


def _names(entities: Mapping[str, Entity]) -> Names:
    """Return the entities by each of their names; a name without one is an attribute."""
    return {
        None if name == "-" else name: entity
        for names, entity in entities.items()
        for name in names.split()
    }


def _attributes(
    texts: str = "", numbers: str = "", sets: str = "", others: Sequence[str] = ()
) -> Mapping[str, Operators]:
    return {
        **dict.fromkeys([*texts.split(), *others], TEXTS),
        **dict.fromkeys(numbers.split(), NUMBERS),
        **dict.fromkeys(sets.split(), TEXTS | SETS),
    }


_TIMES = "creation_timestamp last_updated_timestamp"
RUNS = _names(
    {
        "- attributes attribute attr run": _attributes(
            "run_name status user_id artifact_uri",
            "start_time end_time created",
            "run_id",
            others=["run name"],
        ),
        "metrics metric": NUMBERS,
        "params param parameters parameter": TEXTS | NULLS,
        "tags tag": TEXTS | NULLS,
        "datasets dataset": _attributes(sets="name digest context"),
    }
)
EXPERIMENTS = _names(
    {
        "- attribute": _attributes("name", "creation_time last_update_time", "experiment_id"),
        "tags tag": TEXTS | NULLS,
    }
)
REGISTERED_MODELS = _names({"- attribute": _attributes(sets="name"), "tags tag": TEXTS})
MODEL_VERSIONS = _names(
    {
        "- attribute": _attributes("source_path", "version_number", "name run_id"),
        "tags tag": TEXTS,
    }
)
LOGGED_MODELS = _names(
    {
        "- attributes": _attributes(
            numbers=f"creation_time creation_timestamp_ms last_updated_timestamp_ms {_TIMES}",
            sets="name model_id status model_type source_run_id",
        ),
        "metrics": NUMBERS,
        "params": TEXTS | SETS,
        "tags": TEXTS | SETS,
    }
)


def check_filter(text: str | None, names: Names) -> str | None:
    """Return the filter if MLflow's server takes it.

    Raises:
        InvalidFilter: with the place in the text.
    """
    for clause in clauses(parse_filter(text, alternatives=False)):
        entity = names.get(clause.name.entity)
        operators = entity.get(clause.name.key) if isinstance(entity, Mapping) else entity
        if operators is None:
            raise InvalidFilter(f"{clause.name} is no name of this search.", clause.name.at)
        if clause.operator not in operators:
            allowed = ", ".join(sorted(operators))
            raise InvalidFilter(f"Compare {clause.name} with {allowed}.", clause.at)
    return text
