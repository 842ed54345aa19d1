"""Objects that belong to a project or to nobody: who sees them, and who may change them.

Everybody with the scope of the feature sees and changes the objects of no project. Those of a
project are its members' alone, and nobody's while it is deleted.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    SQLColumnExpression,
    Uuid,
    any_,
    func,
    literal_column,
    or_,
    select,
    true,
)

from service.auth.caller import Caller
from service.relational.projects.permissions import Right, roles_with
from service.relational.projects.tables import Project, ProjectMember


def project_visible(
    column: SQLColumnExpression[Any], caller: Caller, *, unless: str = "experiments:admin"
) -> ColumnElement[bool]:
    """Return the condition of the rows that the caller sees; all with the scope ``unless``.

    ``column`` holds the id of the row's project, or NULL.
    """
    return true() if caller.has_scope(unless) else has_right(column, caller.user_id, "read")


def project_editable(
    column: SQLColumnExpression[Any], caller: Caller, *, unless: str = "experiments:admin"
) -> ColumnElement[bool]:
    """Return the condition of the rows that the caller may change; as ``project_visible``."""
    return true() if caller.has_scope(unless) else has_right(column, caller.user_id, "edit")


def has_right(column: SQLColumnExpression[Any], user_id: Any, right: Right) -> ColumnElement[bool]:
    """Return the condition of rows of no project, or of one in which the user has the right.

    ``user_id`` is a value or a parameter. The array is read once for a statement, and only if a
    row has a project.
    """
    roles = ", ".join(f"'{role}'" for role in roles_with(right))
    joined = (
        select(ProjectMember.project_id)
        .join(Project, Project.id == ProjectMember.project_id)
        .where(
            ProjectMember.user_id == user_id,
            ProjectMember.role == any_(literal_column(f"ARRAY[{roles}]")),
            Project.deleted_at.is_(None),
        )
    )
    theirs = func.array(joined.scalar_subquery(), type_=ARRAY(Uuid))
    return or_(column.is_(None), column == any_(theirs))
