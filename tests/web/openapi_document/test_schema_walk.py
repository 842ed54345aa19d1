"""The walk finds schemas, and takes no example for one."""

from service.web.openapi_document.schema_walk import schemas_in

INNER = {"type": "array"}


def test_walk_finds_nested_schemas_by_their_pointers() -> None:
    document = {
        "components": {
            "schemas": {
                "A": {"properties": {"items": INNER}, "anyOf": [{"items": INNER}]},
                "B": {"additionalProperties": True, "example": {"items": INNER}},
            }
        },
        "paths": {"/x": {"get": {"parameters": [{"name": "n", "schema": INNER}]}}},
    }
    found = [pointer for pointer, schema in schemas_in(document) if schema is INNER]
    assert found == [
        "/components/schemas/A/anyOf/0/items",
        "/components/schemas/A/properties/items",
        "/paths/~1x/get/parameters/0/schema",
    ]


def test_walk_passes_over_examples_and_responses_of_data() -> None:
    media = {"example": {"schema": INNER}, "schema": {"default": {"items": INNER}}}
    document = {"paths": {"/x": {"get": {"responses": {"200": {"content": {"a/b": media}}}}}}}
    assert [schema for _, schema in schemas_in(document)] == [media["schema"]]
