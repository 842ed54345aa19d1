"""Shared parts of a load: its servers, its outcome, and the experiment that is copied."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from service.cli.load_mlflow.outcome import Outcome
from service.cli.load_mlflow.server import API, Server

SOURCE_TAG = "polystore.source"  # what something is called at the source
LOADED_TAG = "polystore.loaded"  # a digest of what was copied, once all of it is


@dataclass
class Copying:
    """A load; ``models`` has the id here of each logged model of the source."""

    source: Server
    target: Server
    outcome: Outcome
    with_artifacts: bool
    on_run: Callable[[], None]
    models: dict[str, str] = field(default_factory=dict)

    def digest(self, thing: Any) -> str:
        """Return a text that changes if the thing at the source, or what is copied, does."""
        text = json.dumps([thing, self.with_artifacts], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Experiment:
    """An experiment at the source and here; it is ``asleep`` while it is deleted here."""

    name: str
    source_id: str
    target_id: str
    is_deleted: bool
    asleep: bool
    runs: int = 0

    def wake(self, target: Server) -> None:
        """Restore it, so that its runs can be written; ``settle`` deletes it again."""
        if self.asleep:
            target.post(f"{API}/experiments/restore", experiment_id=self.target_id)
            self.asleep = False

    def settle(self, target: Server) -> None:
        """Delete it if it is deleted at the source."""
        if self.is_deleted and not self.asleep:
            target.post(f"{API}/experiments/delete", experiment_id=self.target_id)
            self.asleep = True


def chunks(elements: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of at most ``size`` elements."""
    iterator = iter(elements)
    while chunk := list(islice(iterator, size)):
        yield chunk
