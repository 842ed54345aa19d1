"""Item types: the JSON Schemas that items are checked against."""

from mongo_indexes.declare import Collection

ITEM_TYPES = Collection(
    name="item_types",
    why="One document a type, found by its name, which is its _id.",
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
