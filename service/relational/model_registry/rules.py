"""Types of what names something in the registry: models, versions, aliases, stages and tags.

They follow MLflow, whose clients build addresses of them: ``models:/fraud/3`` and
``models:/fraud@champion``.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from service.relational.search_language.searchable import uuid_of
from service.web.schemas import ExactText

PROMPT_KEY = "mlflow.prompt.is_prompt"
MAX_NAME, MAX_ALIAS, MAX_VALUE = 256, 255, 100_000
MAX_NUMBER = 2**31 - 1
LATEST = "latest"
Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: dict[str, Stage] = {
    "none": "None", "staging": "Staging", "production": "Production", "archived": "Archived",
}  # fmt: skip
SERVING: tuple[Stage, ...] = ("Staging", "Production")
_ALIAS = re.compile(r"[\w\-]+").fullmatch
_VERSION = re.compile(r"[vV]\d+").fullmatch
_PATHS = {".", ".."}
_MODEL_PREFIX = "m-"


def _model_name(name: str) -> str:
    if not name.strip() or "/" in name or ":" in name or name in _PATHS:
        raise ValueError("must not be blank, not have / or :, and not be . or ..")
    return name


def _alias(alias: str) -> str:
    if _ALIAS(alias) is None:
        raise ValueError("must have letters, digits, _ and - alone")
    if alias.lower() == LATEST or _VERSION(alias):
        raise ValueError("must not be latest, and not be as v3")
    return alias


def _is_no_number(alias: str) -> str:
    if number_of(alias) is not None:
        raise ValueError("must not be a number, for that names a version")
    return alias


def number_of(text: str) -> int | None:
    """Return the number of a version; None for text that is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER))):
        return None
    number = int(text)
    return number if 1 <= number <= MAX_NUMBER else None


def run_text(text: str) -> str:
    """Return a run's id as it is stored, the 32 digits of a UUID; other text as it is."""
    found = uuid_of(text)
    return text if found is None else found.hex


def logged_model_text(text: str) -> str:
    """Return a logged model's id as it is stored: ``m-`` and the 32 digits; other text as it is."""
    found = uuid_of(text.removeprefix(_MODEL_PREFIX))
    return text if found is None else f"{_MODEL_PREFIX}{found.hex}"


def shown_id(text: str | None) -> str | None:
    """Return the id of a run or logged model as ``/v1`` has it, with hyphens."""
    found = text and uuid_of(text.removeprefix(_MODEL_PREFIX))
    return str(found) if found else text


def is_prompt(tags: dict[str, str]) -> bool:
    """Return whether tags mark a prompt, which MLflow keeps as a registered model."""
    return tags.get(PROMPT_KEY, "").lower() == "true"


ModelName = Annotated[
    ExactText, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_model_name)
]
Alias = Annotated[ExactText, Field(min_length=1, max_length=MAX_ALIAS), AfterValidator(_alias)]
NewAlias = Annotated[Alias, AfterValidator(_is_no_number)]  # MLflow takes a number for an alias
TagValue = Annotated[ExactText, Field(max_length=MAX_VALUE)]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
