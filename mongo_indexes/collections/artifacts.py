"""Artifacts: the paths of runs and logged models, and their bytes in GridFS's format."""

from mongo_indexes.declare import CollectionSpec, Index

ARTIFACTS = CollectionSpec(
    name="artifacts",
    why="A path of a run or logged model, its current content, and contents to be removed.",
    indexes=(
        Index(
            name="uq_artifacts_path",
            keys=(("owner_id", 1), ("path", 1)),
            why="one document per path; reads of a path, and lists and removals of a folder, which "
            "is a range of paths",
            unique=True,
        ),
        Index(
            name="ix_artifacts_leftovers",
            keys=(("leftovers.remove_at", 1),),
            why="the contents that are to be removed by now; few paths have any",
            partial={"leftovers.remove_at": {"$exists": True}},
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["kind", "experiment_id", "owner_id", "path", "file_id", "leftovers"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "kind": {"enum": ["run", "model"]},
                "experiment_id": {"bsonType": "binData"},
                "owner_id": {"bsonType": "binData"},
                "path": {"bsonType": "string", "minLength": 1},
                "file_id": {"bsonType": ["binData", "null"]},
                "length": {"bsonType": ["int", "long"], "minimum": 0},
                "sha256": {"bsonType": "string", "minLength": 64, "maxLength": 64},
                "created_at": {"bsonType": "date"},
                "updated_at": {"bsonType": "date"},
                "leftovers": {
                    "bsonType": "array",
                    "items": {
                        "bsonType": "object",
                        "required": ["file_id", "remove_at"],
                        "properties": {
                            "file_id": {"bsonType": "binData"},
                            "remove_at": {"bsonType": "date"},
                        },
                    },
                },
            },
        }
    },
)

# The two below are GridFS's own: other programs read and write them, so there is no validator.
ARTIFACT_FILES = CollectionSpec(
    name="artifacts.files",
    why="GridFS's document of each content, for mongofiles; the service reads artifacts alone.",
    indexes=(
        Index(
            name="ix_artifacts.files_filename",
            keys=(("filename", 1), ("uploadDate", 1)),
            why="GridFS's own: the newest content of a name",
        ),
    ),
)
ARTIFACT_CHUNKS = CollectionSpec(
    name="artifacts.chunks",
    why="The bytes of artifacts in chunks of 1 MiB.",
    indexes=(
        Index(
            name="uq_artifacts.chunks_n",
            keys=(("files_id", 1), ("n", 1)),
            why="GridFS's own: the chunks of a content in order, a range of them, their number",
            unique=True,
        ),
    ),
)
