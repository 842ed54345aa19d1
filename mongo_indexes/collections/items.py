"""Items: documents of any shape with a few fixed fields."""

from mongo_indexes.declare import CollectionSpec, Index

ITEMS = CollectionSpec(
    name="items",
    why="Free-form documents; deleted ones have a deleted_at and are in no list.",
    indexes=(
        Index(
            name="ix_items_created_at",
            keys=(
                ("deleted_at", 1),
                ("created_at", 1),
                ("_id", 1),
            ),
            why="the plain list and every search, newest or oldest first",
        ),
        Index(
            name="ix_items_name",
            keys=(
                ("deleted_at", 1),
                ("name", 1),
                ("_id", 1),
            ),
            why="the filter and the sort by name",
        ),
        Index(
            name="ix_items_owner",
            keys=(
                ("owner_id", 1),
                ("deleted_at", 1),
                ("created_at", 1),
                ("_id", 1),
            ),
            why="every list and search of a caller who may see only their own items",
        ),
        Index(
            name="ix_items_owner_name",
            keys=(
                ("owner_id", 1),
                ("deleted_at", 1),
                ("name", 1),
                ("_id", 1),
            ),
            why="the same, filtered or sorted by name",
        ),
        Index(
            name="ix_items_type",
            keys=(
                ("deleted_at", 1),
                ("type", 1),
                ("created_at", 1),
                ("_id", 1),
            ),
            why="the filter by type",
        ),
        Index(
            name="ix_items_tags",
            keys=(
                ("deleted_at", 1),
                ("tags", 1),
                ("created_at", 1),
                ("_id", 1),
            ),
            why="the filter by tag",
        ),
        Index(
            name="ix_items_price",
            keys=(
                ("deleted_at", 1),
                ("price", 1),
            ),
            why="the filter by price range",
        ),
        Index(
            name="ix_items_attributes",
            keys=(("attributes.$**", 1),),
            why="searches by attributes, whose names are not known in advance; it serves none "
            "with a dot, with a leading $ or without characters",
        ),
        Index(
            name="uq_items_idempotency_key",
            keys=(("idempotency_key", 1),),
            why="a repeated POST with the same Idempotency-Key creates one item",
            unique=True,
            partial={"idempotency_key": {"$exists": True}},
        ),
    ),
    validator={
        "$jsonSchema": {
            "bsonType": "object",
            "required": ["name", "type", "attributes", "tags", "version", "created_at"],
            "properties": {
                "name": {"bsonType": "string", "minLength": 1},
                "type": {"bsonType": "string", "minLength": 1},
                "attributes": {"bsonType": "object"},
                "owner_id": {"bsonType": ["binData", "null"]},
                "tags": {"bsonType": "array", "items": {"bsonType": "string"}},
                "price": {"bsonType": ["decimal", "null"]},
                "version": {"bsonType": "int", "minimum": 1},
                "created_at": {"bsonType": "date"},
            },
        }
    },
)
