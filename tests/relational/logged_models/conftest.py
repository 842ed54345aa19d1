"""The experiment and the runs of MLflow's clients, who write logged models."""

from tests.relational.mlflow.logged_models.conftest import tracking

__all__ = ["tracking"]
