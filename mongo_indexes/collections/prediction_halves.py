"""Prediction halves: requests and responses of model servers that wait for one another."""

from mongo_indexes.declare import Collection, Index

PREDICTION_HALVES = Collection(
    name="prediction_halves",
    why="A document a pair, found by its _id, which comes of what both halves say; it expires.",
    indexes=(
        Index(
            name="ix_prediction_halves_expires_at",
            keys=(("expires_at", 1),),
            why="a half that found no partner goes after a week, a pair that is logged after a day",
            ttl_seconds=0,
        ),
        Index(
            name="ix_prediction_halves_state",
            keys=(("state", 1), ("received_at", 1), ("_id", 1)),
            why="the list of those that wait or were refused; pairs that nobody finished",
        ),
        Index(
            name="ix_prediction_halves_model",
            keys=(("model", 1), ("state", 1), ("received_at", 1), ("_id", 1)),
            why="the same of a model",
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["model", "event_id", "state", "received_at", "expires_at"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "model": {"bsonType": "string"},
                "event_id": {"bsonType": "string"},
                "state": {"enum": ["waiting", "whole", "logged", "refused"]},
                "request": {"bsonType": "object", "required": ["hash"]},
                "response": {"bsonType": "object", "required": ["hash"]},
                "received_at": {"bsonType": "date"},
                "expires_at": {"bsonType": "date"},
            },
        }
    },
)
