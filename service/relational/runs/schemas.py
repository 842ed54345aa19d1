"""Schemas of runs, and of what is logged to them."""

from typing import Literal

MAX_PARAM, MAX_TAG = 6000, 8000  # characters of a value; MLflow's clients have them cut
MAX_LOGGED = 1000
RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
