"""Item types: the JSON Schemas that items are checked against."""

from mongo_indexes.declare import CollectionSpec

ITEM_TYPES = CollectionSpec(
    name="item_types",
    why="One document per type; its name is the _id.",
    indexes=(),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["json_schema", "version"],
            "properties": {
                "_id": {"bsonType": "string"},
                "json_schema": {"bsonType": ["string", "null"]},
                "version": {"bsonType": "int", "minimum": 1},
            },
        }
    },
)
