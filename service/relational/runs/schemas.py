"""Schemas of runs, and of what is logged to them."""

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import MISSING, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from service.relational.experiments.schemas import Key
from service.web.schemas import (
    EXAMPLE_ID,
    ExactText,
    Moment,
    RequestModel,
    ResponseModel,
    StrictInt,
    Time,
    Versioned,
)

MAX_PARAM, MAX_TAG = 6000, 8000  # characters of a value; MLflow's clients have them cut
MAX_LOGGED = 1000
RunStatus = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]
