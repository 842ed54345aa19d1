"""Names that registered models and versions are found and ordered by; when prompts are found.

MLflow keeps prompts as registered models with a tag. They are found only by a filter that asks for
them: ``tags.`mlflow.prompt.is_prompt` = 'true'``, or ``!= 'false'``.
"""

from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from service.relational.model_registry.rules import PROMPT_KEY, run_text
from service.relational.model_registry.tables import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelTag,
)
from service.relational.search_language.conditions import condition
from service.relational.search_language.grammar import parse_filter
from service.relational.search_language.searchable import Attribute, Keyed, Searchable
from service.relational.search_language.tree import (
    EVERYTHING,
    Clause,
    Either,
    Every,
    Tree,
    clauses,
)

Condition = ColumnElement[bool]
OWNER = RegisteredModel.__table__.alias("owner")  # the model of a version
_SYNONYMS = {"attribute": "attributes", "attr": "attributes", "tag": "tags"}
_ASKED, _LEFT_OUT = {("=", "true"), ("!=", "false")}, {("!=", "true"), ("=", "false")}
MODEL_NAMES = Searchable(
    entities={
        "attributes": {
            "name": Attribute(RegisteredModel.name, sets=True),
            "timestamp": Attribute(RegisteredModel.updated_at, "time"),
            "last_updated_timestamp": Attribute(RegisteredModel.updated_at, "time"),
            "creation_timestamp": Attribute(RegisteredModel.created_at, "time"),
        },
        "tags": Keyed(
            lambda: aliased(RegisteredModelTag),
            on=lambda tag: tag.model_id == RegisteredModel.id,
            parent=RegisteredModel,
            order=False,
        ),
    },
    synonyms=_SYNONYMS,
)
VERSION_NAMES = Searchable(
    entities={
        "attributes": {
            "name": Attribute(OWNER.c.name, sets=True),
            "version_number": Attribute(ModelVersion.number, "number"),
            "run_id": Attribute(ModelVersion.run_id, sets=True, nullable=True, read=run_text),
            "source_path": Attribute(ModelVersion.source),
            "stage": Attribute(ModelVersion.stage, sets=True),
            "creation_timestamp": Attribute(ModelVersion.created_at, "time"),
            "last_updated_timestamp": Attribute(ModelVersion.updated_at, "time"),
        },
        "tags": Keyed(
            lambda: aliased(ModelVersionTag),
            on=lambda tag: tag.version_id == ModelVersion.id,
            parent=ModelVersion,
            order=False,
        ),
    },
    synonyms=_SYNONYMS,
)


def models_where(text: str | None) -> Condition:
    """Return the condition of the models that a filter finds; prompts if it asks for them.

    Raises:
        InvalidFilter: the text is no filter, or a name, an operator or a value does not fit.
    """
    tree = parse_filter(text)
    if _asks_for_prompts(tree, MODEL_NAMES):
        return condition(tree, MODEL_NAMES)
    kept = condition(_without_prompt_clauses(tree, MODEL_NAMES), MODEL_NAMES)
    return kept & ~marks_prompt(RegisteredModelTag.model_id, RegisteredModel.id)


def versions_where(text: str | None) -> Condition:
    """Return the condition of the versions that a filter finds; as ``models_where``."""
    tree = parse_filter(text)
    if _asks_for_prompts(tree, VERSION_NAMES):
        return condition(tree, VERSION_NAMES)
    own = marks_prompt(ModelVersionTag.version_id, ModelVersion.id)
    owner = marks_prompt(RegisteredModelTag.model_id, ModelVersion.model_id)
    kept = condition(_without_prompt_clauses(tree, VERSION_NAMES), VERSION_NAMES)
    return kept & ~or_(own, owner)


def marks_prompt(owner: Any, row: Any) -> Condition:
    """Return the condition that a row has the tag of prompts, as ``rules.is_prompt`` reads it.

    ``owner`` is the column of the table of tags that leads to the row's id.
    """
    tag = owner.class_
    is_true = func.lower(tag.value) == "true"
    return select(tag.key).where(owner == row, tag.key == PROMPT_KEY, is_true).exists()


def _is_one_of(clause: Clause, names: Searchable, pairs: set[tuple[str, str]]) -> bool:
    """Return whether a clause has the tag of prompts, and one of these operators and values."""
    entity = clause.name.entity or ""
    is_tag = (names.synonyms.get(entity, entity), clause.name.key) == ("tags", PROMPT_KEY)
    return is_tag and (clause.operator, str(clause.value).lower()) in pairs


def _asks_for_prompts(tree: Tree, names: Searchable) -> bool:
    return any(_is_one_of(clause, names, _ASKED) for clause in clauses(tree))


def _without_prompt_clauses(tree: Tree, names: Searchable) -> Tree:
    """Return the tree without what already holds for all that is found."""
    if isinstance(tree, Clause):
        return EVERYTHING if _is_one_of(tree, names, _LEFT_OUT) else tree
    parts = tuple(_without_prompt_clauses(part, names) for part in tree.parts)
    return Either(parts) if isinstance(tree, Either) else Every(parts)
