"""Prediction halves: requests and responses of model servers that wait for their counterpart."""

from mongo_indexes.declare import CollectionSpec, Index

PREDICTION_HALVES = CollectionSpec(
    name="prediction_halves",
    why="One document per pair, under an _id derived from both halves; it expires.",
    indexes=(
        Index(
            name="ix_prediction_halves_expires_at",
            keys=(("expires_at", 1),),
            why="a half without a counterpart expires after a week, a logged pair after a day",
            ttl_seconds=0,
        ),
        Index(
            name="ix_prediction_halves_state",
            keys=(("state", 1), ("received_at", 1), ("_id", 1)),
            why="the list of waiting or refused halves, and the search for unfinished pairs",
        ),
        Index(
            name="ix_prediction_halves_model",
            keys=(("model", 1), ("state", 1), ("received_at", 1), ("_id", 1)),
            why="the same for one model",
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
