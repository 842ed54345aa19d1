"""Protocols between the artifacts in MongoDB and the runs and logged models in PostgreSQL.

``service.main`` hands the implementations of relational features to document features.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, NamedTuple, Protocol
from uuid import UUID

from service.auth.caller import Caller

DEFAULT_EXPERIMENT_ID = UUID("00000000-0000-7000-8000-000000000000")
"""The experiment that MLflow's clients call ``0``."""
ArtifactKind = Literal["run", "model"]


class ArtifactRoot(NamedTuple):
    """The owner of artifacts: a run, or a logged model, of an experiment."""

    experiment_id: UUID
    kind: ArtifactKind
    owner_id: UUID


class FoundRoot(NamedTuple):
    """A root, and the address that its experiment keeps artifacts at if that is not here."""

    root: ArtifactRoot
    location: str | None


class ArtifactOwners(Protocol):
    """Decides who may see and change the artifacts of a run or logged model."""

    async def require(self, caller: Caller, root: ArtifactRoot, *, writes: bool) -> None:
        """Return if the caller may read, or write, below this root.

        Raises:
            NotFound: it does not exist in this experiment, or the caller does not see it.
            Forbidden: the caller sees it and may not write.
            Conflict: it is deleted, and takes no writes.
        """

    async def find(self, caller: Caller, kind: ArtifactKind, key: UUID) -> FoundRoot:
        """Return the root of a run or logged model that the caller sees; raise NotFound."""


class ArtifactRemovals(Protocol):
    """Roots whose owner was purged in PostgreSQL: their artifacts are to be removed."""

    async def pending(self, limit: int, min_age: timedelta) -> Sequence[ArtifactRoot]:
        """Return the oldest roots purged at least ``min_age`` ago, at most ``limit``."""

    async def done(self, roots: Sequence[ArtifactRoot]) -> None:
        """Forget roots without artifacts; repeating it changes nothing."""
