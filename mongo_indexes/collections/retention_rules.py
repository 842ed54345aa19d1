"""Retention rules: for how many days the predictions of a model, or of a version, are kept."""

from mongo_indexes.declare import CollectionSpec, Index

RETENTION_RULES = CollectionSpec(
    name="retention_rules",
    why="The operator's rules; each process reads all every few seconds, so keep them few.",
    indexes=(
        Index(
            name="uq_retention_rules_model",
            keys=(("model", 1), ("model_version", 1)),
            why="one rule per version and one per model; the latter's model_version is null",
            unique=True,
        ),
        Index(
            name="ix_retention_rules_model",
            keys=(("model", 1), ("_id", 1)),
            why="the list",
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["model", "model_version", "days", "version", "created_at", "updated_at"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "model": {"bsonType": "string", "minLength": 1},
                "model_version": {"bsonType": ["string", "null"]},
                "days": {"bsonType": ["int", "null"], "minimum": 1, "maximum": 3650},
                "version": {"bsonType": "int", "minimum": 1},
                "created_at": {"bsonType": "date"},
                "updated_at": {"bsonType": "date"},
            },
        }
    },
)
