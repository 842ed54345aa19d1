"""``polystore load-mlflow``: copies what another MLflow server has into the running service.

Runs keep their ids; experiments and registered models are matched by name, versions by number, and
logged models by a tag. A repeated load adds what is new and changes nothing else.
"""

from service.cli.load_mlflow.command import load_mlflow

__all__ = ["load_mlflow"]
