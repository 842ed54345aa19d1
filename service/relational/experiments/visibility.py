"""Which experiments a caller sees and may change, and with them their runs and models."""

from sqlalchemy import ColumnElement

from service.auth.caller import Caller
from service.relational.experiments.tables import Experiment
from service.relational.projects.visibility import project_editable, project_visible

ADMIN = "experiments:admin"


def visible_experiment(caller: Caller) -> ColumnElement[bool]:
    """Return the condition of the experiments that the caller sees, deleted ones too."""
    return project_visible(Experiment.project_id, caller, unless=ADMIN)


def editable_experiment(caller: Caller) -> ColumnElement[bool]:
    """Return the condition of the experiments that the caller may change, with their runs."""
    return project_editable(Experiment.project_id, caller, unless=ADMIN)
