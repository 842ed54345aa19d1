"""Owners of artifacts, as PostgreSQL has them, but in memory; and addresses of theirs."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from service.auth.artifact_owners import ArtifactKind, ArtifactRoot, FoundRoot
from service.auth.caller import Caller, Forbidden
from service.core.errors import NotFound, Refused, Unavailable

MLFLOW = "/api/2.0/mlflow-artifacts/artifacts"


class OwnerNotFound(NotFound):
    pass


class KnownOwners:
    """Roots that exist; some may only be read, are deleted, or wait for their removal."""

    def __init__(self) -> None:
        self.roots: dict[UUID, ArtifactRoot] = {}
        self.locations: dict[UUID, str] = {}  # of experiments that keep artifacts elsewhere
        self.readable: set[UUID] = set()  # alone, not writable
        self.deleted: set[UUID] = set()
        self.purged: list[ArtifactRoot] = []
        self.min_ages: list[timedelta] = []
        self.is_down = False
        self.asked: list[bool] = []  # for each question, whether it was about writing

    def add(self, kind: ArtifactKind = "run") -> ArtifactRoot:
        root = ArtifactRoot(uuid7(), kind, uuid7())
        self.roots[root.owner_id] = root
        return root

    async def require(self, _caller: Caller, root: ArtifactRoot, *, writes: bool) -> None:
        self.asked.append(writes)
        if self.is_down:
            raise Unavailable("PostgreSQL did not answer in time.")
        if self.roots.get(root.owner_id) != root:
            raise OwnerNotFound
        if writes and root.owner_id in self.readable:
            raise Forbidden
        if writes and root.owner_id in self.deleted:
            raise Refused("It is deleted.")

    async def find(self, caller: Caller, kind: ArtifactKind, key: UUID) -> FoundRoot:
        root = self.roots.get(key)
        if root is None or root.kind != kind:
            await self.require(caller, ArtifactRoot(key, kind, key), writes=False)
            raise OwnerNotFound
        await self.require(caller, root, writes=False)
        return FoundRoot(root, self.locations.get(root.experiment_id))

    async def pending(self, limit: int, min_age: timedelta) -> Sequence[ArtifactRoot]:
        self.min_ages.append(min_age)
        return self.purged[:limit]

    async def done(self, roots: Sequence[ArtifactRoot]) -> None:
        self.purged = [root for root in self.purged if root not in roots]

    def purge(self, root: ArtifactRoot) -> None:
        del self.roots[root.owner_id]
        self.purged.append(root)


def ours(root: ArtifactRoot, path: str = "") -> str:
    """Return our address of the artifacts of a root, or of one of them."""
    kind = "runs" if root.kind == "run" else "logged_models"
    return f"/v1/{kind}/{root.owner_id}/artifacts" + (f"/{path}" if path else "")


def folder(root: ArtifactRoot) -> str:
    """Return MLflow's path of a root."""
    owner = root.owner_id.hex if root.kind == "run" else f"models/m-{root.owner_id.hex}"
    return f"{root.experiment_id.hex}/{owner}/artifacts"
