"""Every nested schema is found, and no example is taken for one."""

from service.web.openapi_document.nested_schemas import schemas_in

INNER = {"type": "array"}


def test_schemas_in_finds_nested_ones_by_their_pointers() -> None:
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


def test_schemas_in_passes_over_examples_and_defaults() -> None:
    media = {"example": {"schema": INNER}, "schema": {"default": {"items": INNER}}}
    document = {"paths": {"/x": {"get": {"responses": {"200": {"content": {"a/b": media}}}}}}}
    assert [schema for _, schema in schemas_in(document)] == [media["schema"]]
