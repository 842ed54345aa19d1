"""Rules of where the files of a version may be.

An address that leads into this service must lie below the artifacts of the run or logged model that
is named beside it, so that a version shows no artifacts to more callers. Addresses of other stores
pass; the service never opens them. Rules and errors follow MLflow 3.17.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from service.core.errors import Refused
from service.relational.model_registry.rules import run_text

PROMPT_SOURCES = {"dummy-source", "prompt-template"}  # what MLflow's clients send for prompts
MOST_DECODINGS = 10
_LOCAL = {"", "file"}
# Artifacts of this service, or of one like it: MLflow's clients send their credentials there.
_SERVED = {"mlflow-artifacts", "http", "https"}
_SEPARATOR = re.compile(r"[/\\:]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # urlsplit() drops some of them


class SourceInvalid(Refused):
    code, title, pointer = "source_invalid", "Source of the version is not allowed", "/source"


class Registered(NamedTuple):
    """A source of the registry itself: ``models:/name/3`` or ``models:/name@alias``."""

    name: str
    version: str
    is_alias: bool


class Address(NamedTuple):
    """A source in parts; those of the path are without percent-encoding."""

    scheme: str
    host: str
    parts: tuple[str, ...]

    def lies_in(self, root: "Address") -> bool:
        """Return whether it is ``root`` or below it."""
        same = (self.scheme, self.host) == (root.scheme, root.host)
        return same and bool(root.parts) and self.parts[: len(root.parts)] == root.parts


def address_of(source: str) -> Address:
    """Return the parts of a source.

    Raises:
        SourceInvalid: it is no address, or has ``..`` or a control character, encoded or not.
    """
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise SourceInvalid("Send an address, such as s3://bucket/path.") from error
    decoded = _decoded(source)
    parts = tuple(_decoded(part) for part in url.path.split("/") if part)
    if _CONTROL.search(decoded) or ".." in (*_SEPARATOR.split(decoded), *parts):
        raise SourceInvalid("Send an absolute address without .. and control characters in it.")
    return Address(url.scheme, url.netloc.lower(), parts)


def _decoded(text: str) -> str:
    for _ in range(MOST_DECODINGS):
        once = unquote_plus(text)
        if once == text:
            return text
        text = once
    raise SourceInvalid("Encode the address once.")


def registered_source(source: str) -> Registered | str | None:
    """Return what ``models:/…`` names: a version, or the text of a logged model's id.

    None is an address of another kind.

    Raises:
        SourceInvalid: it names neither.
    """
    if not source.startswith("models:"):
        return None
    name = source.removeprefix("models:/")
    if name.startswith("m-") and len(name) == 34 and "/" not in name and "@" not in name:
        return name
    is_alias = "/" not in name  # a name may have @
    model, _, version = name.rpartition("@" if is_alias else "/")
    if not model or not version or "/" in model or ":" in model:
        raise SourceInvalid("Send models:/name/3, models:/name@alias or models:/m-….")
    return Registered(model, version, is_alias)


def require_owner(
    address: Address, run_id: str | None, run_root: str | None, model_root: str | None
) -> None:
    """Check that a source within this service, or on a machine, belongs to its run or model.

    The roots are those of the artifacts of what was named beside the source, if the caller sees
    it; that of a logged model then is the one that counts.

    Raises:
        SourceInvalid: it belongs to neither.
    """
    of_run = address.scheme == "runs"
    if not (of_run or address.scheme in _LOCAL | _SERVED):
        return
    if model_root is not None:
        if of_run or not address.lies_in(address_of(model_root)):
            raise SourceInvalid("Send a source below the artifacts of the logged model.")
    elif of_run:
        if address.host or run_id is None or [*map(run_text, address.parts[:1])] != [run_id]:
            raise SourceInvalid("Send the run_id of the source beside it.")
    elif run_root is None or not address.lies_in(address_of(run_root)):
        raise SourceInvalid("Send beside it the run_id of the run below whose artifacts it lies.")
