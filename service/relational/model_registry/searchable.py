"""Names that registered models and versions are found and ordered by; when prompts are found.

MLflow keeps prompts as registered models with a tag. They are found only by a filter that asks for
them: ``tags.`mlflow.prompt.is_prompt` = 'true'``, or ``!= 'false'``.
"""

from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import aliased

from service.relational.model_registry.rules import PROMPT_KEY
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
    Name,
    Tree,
    clauses,
)

Condition = ColumnElement[bool]
OWNER = RegisteredModel.__table__.alias("owner")  # the model of a version
_SYNONYMS = {"attribute": "attributes", "attr": "attributes", "tag": "tags"}
_ASKED = {("=", "true"), ("!=", "false")}
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
            "run_id": Attribute(ModelVersion.run_id, sets=True, nullable=True),
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
    tag = _prompt_tag(RegisteredModelTag, RegisteredModelTag.model_id == RegisteredModel.id)
    return condition(_without_prompt_clauses(tree, MODEL_NAMES), MODEL_NAMES) & ~tag


def versions_where(text: str | None) -> Condition:
    """Return the condition of the versions that a filter finds; as ``models_where``."""
    tree = parse_filter(text)
    if _asks_for_prompts(tree, VERSION_NAMES):
        return condition(tree, VERSION_NAMES)
    own = _prompt_tag(ModelVersionTag, ModelVersionTag.version_id == ModelVersion.id)
    owner = _prompt_tag(RegisteredModelTag, RegisteredModelTag.model_id == ModelVersion.model_id)
    kept = condition(_without_prompt_clauses(tree, VERSION_NAMES), VERSION_NAMES)
    return kept & ~or_(own, owner)


def _prompt_tag(table: Any, of_row: Condition) -> Condition:
    is_set = table.value.ilike("true")
    tag: Condition = select(table.key).where(of_row, table.key == PROMPT_KEY, is_set).exists()
    return tag


def _is_prompt_name(name: Name, names: Searchable) -> bool:
    entity = name.entity or ""
    return (names.synonyms.get(entity, entity), name.key) == ("tags", PROMPT_KEY)


def _asks_for_prompts(tree: Tree, names: Searchable) -> bool:
    return any(
        _is_prompt_name(clause.name, names)
        and (clause.operator, str(clause.value).lower()) in _ASKED
        for clause in clauses(tree)
    )


def _without_prompt_clauses(tree: Tree, names: Searchable) -> Tree:
    """Return the tree without what already holds for all that is found."""
    if isinstance(tree, Clause):
        return EVERYTHING if _is_prompt_name(tree.name, names) else tree
    parts = tuple(_without_prompt_clauses(part, names) for part in tree.parts)
    return Either(parts) if isinstance(tree, Either) else Every(parts)
