"""Types of what names something in the registry: models, versions, aliases, stages and tags.

They follow MLflow, whose clients build addresses of them: ``models:/fraud/3`` and
``models:/fraud@champion``.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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
_VERSION = re.compile(r"v?[0-9]+", re.IGNORECASE).fullmatch
_PATHS = {".", ".."}


def _model_name(name: str) -> str:
    if not name.strip() or "/" in name or ":" in name or name in _PATHS:
        raise ValueError("must not be blank, not have / or :, and not be . or ..")
    return name


def _alias(alias: str) -> str:
    if _ALIAS(alias) is None:
        raise ValueError("must have letters, digits, _ and - alone")
    if alias.lower() == LATEST or _VERSION(alias):
        raise ValueError("must not be latest, and not look like the number of a version")
    return alias


def number_of(text: str) -> int | None:
    """Return the number of a version; None for text that is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NUMBER))):
        return None
    number = int(text)
    return number if 1 <= number <= MAX_NUMBER else None


def is_prompt(tags: dict[str, str]) -> bool:
    """Return whether tags mark a prompt, which MLflow keeps as a registered model."""
    return tags.get(PROMPT_KEY, "").lower() == "true"


ModelName = Annotated[
    ExactText, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_model_name)
]
Alias = Annotated[ExactText, Field(min_length=1, max_length=MAX_ALIAS), AfterValidator(_alias)]
TagValue = Annotated[ExactText, Field(max_length=MAX_VALUE)]
VersionNumber = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
