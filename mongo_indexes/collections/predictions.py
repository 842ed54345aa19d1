"""Predictions: one immutable event each, read by id, by time, by model and by subject."""

from mongo_indexes.declare import CollectionSpec, Index

PREDICTIONS = CollectionSpec(
    name="predictions",
    why="The log. _id is the sender's prediction_id, so that the primary key refuses duplicates.",
    indexes=(
        Index(
            name="ix_predictions_timestamp",
            keys=(
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the plain list, newest first",
        ),
        Index(
            name="ix_predictions_model",
            keys=(
                ("model", 1),
                ("version", 1),
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the list of one version of a model",
        ),
        Index(
            name="ix_predictions_model_timestamp",
            keys=(
                ("model", 1),
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the list of all versions of a model",
        ),
        Index(
            name="ix_predictions_version",
            keys=(("version", 1), ("timestamp", 1), ("_id", 1)),
            why="the list of one version across all models",
        ),
        Index(
            name="ix_predictions_status",
            keys=(
                ("status", 1),
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the list of failures, which are few",
        ),
        Index(
            name="ix_predictions_user_id",
            keys=(
                ("user_id", 1),
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the predictions about one user",
            partial={"user_id": {"$exists": True}},
        ),
        Index(
            name="ix_predictions_order_id",
            keys=(
                ("order_id", 1),
                ("timestamp", 1),
                ("_id", 1),
            ),
            why="the predictions about one order",
            partial={"order_id": {"$exists": True}},
        ),
        Index(
            name="ix_predictions_received_at",
            keys=(("received_at", 1), ("_id", 1)),
            why="readers that follow the log by arrival",
        ),
        Index(
            name="ix_predictions_trace_id",
            keys=(("trace_id", 1), ("timestamp", 1), ("_id", 1)),
            why="the predictions of one trace",
            partial={"trace_id": {"$exists": True}},
        ),
        Index(
            name="ix_predictions_request_id",
            keys=(("request_id", 1), ("timestamp", 1), ("_id", 1)),
            why="the predictions of one request",
            partial={"request_id": {"$exists": True}},
        ),
        Index(
            name="ix_predictions_role",
            keys=(("role", 1), ("timestamp", 1), ("_id", 1)),
            why="the predictions of shadows, canaries and replays, which are few",
            partial={"role": {"$in": ["shadow", "canary", "replay"]}},
        ),
        Index(
            name="ix_predictions_expires_at",
            keys=(("expires_at", 1),),
            why="MongoDB deletes expired events; an event that never expires is not in the index",
            ttl_seconds=0,
            partial={"expires_at": {"$exists": True}},
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["timestamp", "model", "version", "features", "status", "hash"],
            "properties": {
                "_id": {"bsonType": "binData"},
                "timestamp": {"bsonType": "date"},
                "model": {"bsonType": "string"},
                "version": {"bsonType": "string"},
                "features": {"bsonType": "object"},
                "status": {"enum": ["ok", "error", "timeout", "fallback"]},
                "hash": {"bsonType": "binData"},
                "expires_at": {"bsonType": "date"},
            },
        }
    },
)
