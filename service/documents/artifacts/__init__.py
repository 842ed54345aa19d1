"""Artifacts: the files of runs and logged models, streamed into and out of MongoDB.

The bytes are in GridFS's format (``artifacts.files``, ``artifacts.chunks``), so that ``mongofiles
--prefix artifacts`` reads them. A document of ``artifacts`` gives each path its current content.

Protects: a reader gets the old or the new content of a path, never a mix; a success is durable;
each content that no path has is removed, whatever was killed when. PostgreSQL decides who may read
and write, through :class:`service.auth.artifact_owners.ArtifactOwners`.
"""
