"""Rules of where the files of a version may be.

An address that leads into this service must lie below the artifacts of the run or logged model that
is named beside it: whoever may read those may read the version. Addresses of other stores pass; the
service never opens them. Rules and errors follow MLflow 3.17.
"""

from typing import NamedTuple
from urllib.parse import unquote_plus, urlsplit

from service.core.errors import Refused

PROMPT_SOURCES = {"dummy-source", "prompt-template"}  # what MLflow's clients send for prompts
MOST_DECODINGS = 10
_ROUTE = ("api", "2.0", "mlflow-artifacts", "artifacts")
_LOCAL = {"", "file"}


class SourceInvalid(Refused):
    code, title, pointer = "source_invalid", "Source of the version is not allowed", "/source"


class Registered(NamedTuple):
    """A source of the registry itself: ``models:/name/3`` or ``models:/name@alias``."""

    name: str
    version: str


class Address(NamedTuple):
    """A source in parts; those of the path are without percent-encoding."""

    scheme: str
    host: str
    parts: tuple[str, ...]

    def lies_in(self, root: "Address") -> bool:
        """Return whether it is ``root`` or below it."""
        same = (self.scheme, self.host) == (root.scheme, root.host)
        return same and bool(root.parts) and self.parts[: len(root.parts)] == root.parts

    @property
    def is_local(self) -> bool:
        """Whether it is a path of the client's machine."""
        return self.scheme in _LOCAL

    @property
    def is_here(self) -> bool:
        """Whether it leads to artifacts of this service, or of one like it."""
        if self.scheme == "mlflow-artifacts":
            return True
        places = range(len(self.parts) - len(_ROUTE) + 1)
        has_route = any(self.parts[at : at + len(_ROUTE)] == _ROUTE for at in places)
        return self.scheme in {"http", "https"} and has_route


def address_of(source: str) -> Address:
    """Return the parts of a source.

    Raises:
        SourceInvalid: it is no address, or has ``..`` or NUL under any percent-encoding.
    """
    try:
        url = urlsplit(source)
    except ValueError as error:
        raise SourceInvalid("Send an address, such as s3://bucket/path.") from error
    decoded = _decoded(source)
    if "\x00" in decoded or ".." in decoded.replace("\\", "/").split("/"):
        raise SourceInvalid("Send an absolute address without .. in it.")
    parts = tuple(_decoded(part) for part in url.path.split("/") if part)
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
    model, sign, version = name.rpartition("@")
    if not sign:
        model, sign, version = name.rpartition("/")
    if not model or not version or "/" in model or ":" in model:
        raise SourceInvalid("Send models:/name/3, models:/name@alias or models:/m-….")
    return Registered(model, version)


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
    if not (of_run or address.is_local or address.is_here):
        return
    if model_root is not None:
        if of_run or not address.lies_in(address_of(model_root)):
            raise SourceInvalid("Send a source below the artifacts of the logged model.")
    elif of_run:
        if address.host or run_id is None or address.parts[:1] != (run_id,):
            raise SourceInvalid("Send the run_id of the source beside it.")
    elif run_root is None or not address.lies_in(address_of(run_root)):
        raise SourceInvalid("Send beside it the run_id of the run below whose artifacts it lies.")
