"""The background jobs of document features, in one list; see service.stores.mongo.background."""

from service.auth.artifact_owners import ArtifactRemovals
from service.documents.artifacts.sweep import ArtifactPurge, ArtifactSweep
from service.documents.predictions.keep_retention import RetentionUpkeep
from service.settings import Settings
from service.stores.mongo.background import Job
from service.stores.mongo.client import MongoStore


def background_work(mongo: MongoStore, settings: Settings, removals: ArtifactRemovals) -> list[Job]:
    """Return the jobs of this process, none if the settings leave them to others."""
    if not settings.background_jobs:
        return []
    return [
        RetentionUpkeep(mongo, settings.retention_days),
        ArtifactSweep(mongo),
        ArtifactPurge(mongo, removals),
    ]
