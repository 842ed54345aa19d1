"""Feedback: what turned out to be true of a prediction, one document each."""

from mongo_indexes.declare import Collection, Index

FEEDBACK = Collection(
    name="feedback",
    why="Found by its _id, which is the prediction's; the latest label and all there were.",
    indexes=(
        Index(
            name="ix_feedback_expires_at",
            keys=(("expires_at", 1),),
            why="labels go with their prediction",
            ttl_seconds=0,
            partial={"expires_at": {"$exists": True}},
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["latest", "history", "version"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "latest": {"bsonType": "object"},
                "history": {"bsonType": "array", "minItems": 1},
                "version": {"bsonType": "int", "minimum": 1},
                "expires_at": {"bsonType": "date"},
            },
        }
    },
)
