"""Which experiments a caller sees and may change, and with them their runs and models."""

from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Uuid, bindparam, literal, or_, true

from service.auth.caller import Caller, Forbidden
from service.relational.experiments.tables import Experiment
from service.relational.projects.visibility import has_right, project_editable, project_visible


class MoveForbidden(Forbidden):
    code, title = "move_forbidden", "Moving the experiment is not allowed"
    detail = (
        "Ask an owner or admin of the experiment's project; where it has none, use credentials "
        "with experiments:admin."
    )


ADMIN = "experiments:admin"
# For statements that are prepared once for all callers, with the parameters of ``caller_values``.
_user_id, _sees_all = bindparam("user_id", type_=Uuid), bindparam("sees_all", type_=Boolean)
VISIBLE = or_(_sees_all, has_right(Experiment.project_id, _user_id, "read"))
EDITABLE = or_(_sees_all, has_right(Experiment.project_id, _user_id, "edit"))


def caller_values(caller: Caller) -> dict[str, Any]:
    """Return the parameters of VISIBLE and EDITABLE."""
    return {"user_id": caller.user_id, "sees_all": caller.has_scope(ADMIN)}


def visible_experiment(caller: Caller) -> ColumnElement[bool]:
    """Return the condition of the experiments that the caller sees, deleted ones too."""
    return project_visible(Experiment.project_id, caller, unless=ADMIN)


def editable_experiment(caller: Caller) -> ColumnElement[bool]:
    """Return the condition of the experiments that the caller may change, with their runs."""
    return project_editable(Experiment.project_id, caller, unless=ADMIN)


def may_edit_in(project_id: UUID, caller: Caller) -> ColumnElement[bool]:
    """Return the condition that the caller may change the experiments of a project."""
    return project_editable(literal(project_id, Uuid), caller, unless=ADMIN)


def purgeable_experiment(caller: Caller) -> ColumnElement[bool]:
    """Return the condition of the experiments that the caller may purge, with their runs."""
    if caller.has_scope(ADMIN):
        return true()
    project_id = Experiment.project_id
    return project_id.is_not(None) & has_right(project_id, caller.user_id, "purge")


def unmovable_experiment(project_id: UUID | None, caller: Caller) -> ColumnElement[bool]:
    """Return the condition of experiments of another project that the caller may not purge."""
    return Experiment.project_id.is_distinct_from(project_id) & ~purgeable_experiment(caller)
