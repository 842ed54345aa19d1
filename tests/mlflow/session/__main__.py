"""Run the session; write a JSON array with an object per step into the file that is named.

Areas may be named behind it; others are left out then. A step has ``area``, ``step`` and ``value``.
Where MLflow's own server is wrong it also has ``differs`` (the reason) and ``right``. The recording
is the array of MLflow's server on PostgreSQL.
"""

import json
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.mlflow.session.normalise import Normaliser
from tests.mlflow.session.steps import Session, results

AREAS = (
    "experiments", "runs", "fluent", "values", "batches", "run_filters", "run_order",
    "experiment_search", "datasets", "artifacts", "logged_models", "registry", "registry_search",
)  # fmt: skip


def main(target: Path, areas: Sequence[str]) -> None:
    for area in areas:
        import_module(f"tests.mlflow.session.{area}")  # declares its steps
    session, began = Session(), time.time() * 1000
    normaliser, rows = Normaliser(session.prefix, began), []
    for this, value in results(session):
        row = {"area": this.area, "step": this.name, "value": normaliser.step(value)}
        if this.differs:
            row |= {"differs": this.differs, "right": this.right}
        rows.append(json.dumps(row, ensure_ascii=False))
    target.write_text("[\n" + ",\n".join(rows) + "\n]\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or AREAS)
