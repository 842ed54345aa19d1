"""``polystore experiments``: list and show experiments, and export their runs, over HTTP."""

from service.cli.experiments.command import experiments_app

__all__ = ["experiments_app"]
