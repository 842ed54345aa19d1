"""Ids as MLflow's clients write them: the 32 hexadecimal digits of a UUID.

Clients follow these forms: ``models:/m-…`` is a logged model only with 32 digits behind ``m-``, and
a client that names no experiment writes to ``"0"``. A UUID with hyphens is read too.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from service.core.errors import NotFound
from service.relational.experiments.tables import DEFAULT_ID

DEFAULT_TEXT, MODEL_PREFIX = "0", "m-"


def experiment_id(text: str) -> UUID:
    """Return the id of an experiment; raise NotFound if the text is none."""
    return DEFAULT_ID if text == DEFAULT_TEXT else _id(text, "experiment")


def experiment_text(key: UUID) -> str:
    """Return the text of an experiment's id."""
    return DEFAULT_TEXT if key == DEFAULT_ID else key.hex


def run_id(text: str) -> UUID:
    """Return the id of a run; raise NotFound if the text is none."""
    return _id(text, "run")


def model_id(text: str) -> UUID:
    """Return the id of a logged model; raise NotFound if the text is none."""
    if not text.startswith(MODEL_PREFIX):
        raise _unknown("logged model")
    return _id(text.removeprefix(MODEL_PREFIX), "logged model")


def model_text(key: UUID) -> str:
    """Return the text of a logged model's id."""
    return f"{MODEL_PREFIX}{key.hex}"


def known_ids(texts: Sequence[str], read: Callable[[str], UUID] = experiment_id) -> list[UUID]:
    """Return the ids in texts; those that are none are left out, as unknown ones are."""
    found = []
    for text in texts:
        try:
            found.append(read(text))
        except NotFound:
            continue
    return found


def _id(text: str, kind: str) -> UUID:
    """Return the UUID, written with 32 digits or with hyphens."""
    if len(text) not in (32, 36):  # UUID() reads braces and urn:uuid: too
        raise _unknown(kind)
    try:
        found = UUID(text)
    except ValueError:
        raise _unknown(kind) from None
    if text.lower() not in (found.hex, str(found)):
        raise _unknown(kind)
    return found


def _unknown(kind: str) -> NotFound:
    return NotFound(f"There is no {kind} of this id that you may see.")
