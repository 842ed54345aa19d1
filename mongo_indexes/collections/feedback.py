"""Feedback: the labels that arrived for a prediction, one document per prediction.

Labels that a key bound to models sends before the prediction have one per prediction and models.
"""

from mongo_indexes.declare import CollectionSpec, Index

FEEDBACK = CollectionSpec(
    name="feedback",
    why="The latest label of a prediction, unless all were withdrawn, and the history of labels.",
    indexes=(
        Index(
            name="ix_feedback_expires_at",
            keys=(("expires_at", 1),),
            why="labels expire with their prediction",
            ttl_seconds=0,
            partial={"expires_at": {"$exists": True}},
        ),
        Index(
            name="ix_feedback_prediction_id",
            keys=(("prediction_id", 1),),
            why="the labels of a prediction that keys bound to models sent before it",
            partial={"prediction_id": {"$exists": True}},
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["history", "version"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "latest": {"bsonType": "object"},
                "history": {"bsonType": "array", "minItems": 1},
                "version": {"bsonType": "int", "minimum": 1},
                "prediction_id": {"bsonType": "binData"},
                "models": {"bsonType": "array", "items": {"bsonType": "string"}},
                "expires_at": {"bsonType": "date"},
            },
        }
    },
)
