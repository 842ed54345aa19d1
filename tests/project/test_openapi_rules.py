"""Rules of linters for the OpenAPI document (those of Redocly that matter), and our own.

Each rule yields a sentence per fault, which names what to add.
"""

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import jsonschema_rs
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from service.web.openapi_document.nested_schemas import schemas_in

Document = dict[str, Any]
Rule = Callable[[Document], Iterator[str]]
TAGS = "service/web/openapi_document/introduction.py"
KEYWORDS = {
    "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "const", "contains",
    "contentMediaType", "contentSchema", "default", "deprecated", "description", "discriminator",
    "enum", "example", "examples", "exclusiveMaximum", "exclusiveMinimum", "format", "items",
    "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minLength", "minProperties",
    "minimum", "multipleOf", "not", "oneOf", "pattern", "patternProperties", "prefixItems",
    "properties", "propertyNames", "readOnly", "required", "title", "type", "uniqueItems",
    "writeOnly",
}  # fmt: skip
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield the id, the path and the operation."""
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield operation["operationId"], path, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for part in node:
            yield from references(part)
    elif isinstance(node, dict):
        for key, part in node.items():
            if key == "$ref" and isinstance(part, str):
                yield part
            else:
                yield from references(part)


def summaries(document: Document) -> Iterator[str]:
    for name, _, operation in operations(document):
        if not re.fullmatch(r"[A-Z][^\n]{8,99}(?<!\.)", operation.get("summary", "")):
            yield (
                f"{name}: begin its docstring with a sentence of 10 to 100 characters, not "
                f"{operation.get('summary')!r}"
            )


def descriptions(document: Document) -> Iterator[str]:
    for name, _, operation in operations(document):
        if not operation.get("description"):
            yield f"{name}: give it a docstring"


def tags(document: Document) -> Iterator[str]:
    described = {tag["name"] for tag in document["tags"] if tag.get("description")}
    used = {tag for _, _, operation in operations(document) for tag in operation.get("tags", ())}
    for tag in used - described:
        yield f"describe the tag {tag} in {TAGS}"
    for tag in described - used:
        yield f"remove the tag {tag} from {TAGS}, or use it"
    for name, _, operation in operations(document):
        if len(operation.get("tags", ())) != 1:
            yield f"{name}: give its router one tag"


def parameters(document: Document) -> Iterator[str]:
    for name, path, operation in operations(document):
        found = operation.get("parameters", [])
        for parameter in found:
            if parameter["in"] == "query" and "default" in parameter["schema"]:
                yield f"{name}: remove the default of {parameter['name']}, which clients would send"
            if not parameter.get("description"):
                yield f"{name}: describe {parameter['name']}, with Field(description=…)"
        declared = {item["name"] for item in found if item["in"] == "path" and item["required"]}
        if declared != set(re.findall(r"{(\w+)}", path)):
            yield f"{name}: declare the parameters of {path}, not {sorted(declared)}"


def ambiguous_paths(document: Document) -> Iterator[str]:
    split = [(path, path.strip("/").split("/")) for path in document["paths"]]
    for (one, left), (other, right) in combinations(split, 2):
        if len(left) != len(right):
            continue
        pairs = [(a.startswith("{"), b.startswith("{")) for a, b in zip(left, right, strict=True)]
        same = all(a == b or any(p) for a, b, p in zip(left, right, pairs, strict=True))
        if same and ((True, False) in pairs) == ((False, True) in pairs):
            yield f"{one} and {other} match the same addresses: name one of them otherwise"


def security(document: Document) -> Iterator[str]:
    schemes = document["components"]["securitySchemes"]
    known = schemes["bearer"]["flows"]["password"]["scopes"]
    unused = set(schemes)
    for name, _, operation in operations(document):
        if "security" not in operation:
            yield f"{name}: state its access in dependencies=[…]"
        for requirement in operation.get("security", ()):
            unused -= requirement.keys()
            for scheme, scopes in requirement.items():
                if scheme not in schemes or set(scopes) - set(known):
                    yield f"{name}: declare the scheme {scheme} with {scopes}"
    if unused:
        yield f"no operation names the schemes {unused}"


def responses(document: Document) -> Iterator[str]:
    for name, _, operation in operations(document):
        statuses = {status[0] for status in operation["responses"]}
        if not {"2", "4"} <= statuses:
            yield f"{name}: declare a 2xx and, with responses=problems(…), a 4xx"
        for status, response in operation["responses"].items():
            if status[0] == "2" and "X-Request-Id" not in response.get("headers", {}):
                yield f"{name}: declare X-Request-Id of its {status}"
            for kind, content in response.get("content", {}).items():
                if status[0] == "2" and not content.get("schema"):
                    yield f"{name}: set response_class= to one without {kind}, or declare a schema"


def components(document: Document) -> Iterator[str]:
    used = set(references(document))
    for kind, parts in document["components"].items():
        for name in parts if kind != "securitySchemes" else ():
            if f"#/components/{kind}/{name}" not in used:
                yield f"{kind}: remove {name}, or refer to it"
    for reference in used:
        _, _, kind, name = reference.split("/")
        if name not in document["components"].get(kind, {}):
            yield f"{reference} does not exist: add it to SCHEMAS of its router"


def schemas(document: Document) -> Iterator[str]:
    for pointer, schema in schemas_in(document):
        unknown = {key for key in schema if not key.startswith("x-")} - KEYWORDS
        if unknown:
            yield f"{pointer}: {unknown} are no keywords of JSON Schema; ge is minimum"
        if {"$ref", "type"} <= schema.keys():
            yield f"{pointer}: remove the type beside the reference"
        listed = schema.get("type", [])
        kinds = [listed] if isinstance(listed, str) else listed
        if "array" in kinds and not {"items", "prefixItems"} & schema.keys():
            yield f"{pointer}: an array needs items"
        for value in schema.get("enum", ()):
            if kinds and not any(isinstance(value, KINDS[kind]) for kind in kinds):
                yield f"{pointer}: {value!r} of the enum is no {listed}"


def times(document: Document) -> Iterator[str]:
    for pointer, schema in schemas_in(document):
        for name, part in schema.get("properties", {}).items():
            texts = [kind for kind in part.get("anyOf", [part]) if kind.get("type") == "string"]
            if name.endswith("_at") and any(text.get("format") != "date-time" for text in texts):
                yield f"{pointer}/{name}: make it a Moment or a Time, with format date-time"


def examples_of_bodies(document: Document) -> Iterator[str]:
    for name, _, operation in operations(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = resolved(document, content["schema"])
            if "example" not in content and "example" not in schema:
                yield f"{name}: give the schema of {kind} json_schema_extra={{'example': …}}"


def examples(document: Document) -> Iterator[str]:
    for name, _, operation in operations(document):
        parts = [operation.get("requestBody", {}), *operation["responses"].values()]
        for kind, content in [pair for part in parts for pair in part.get("content", {}).items()]:
            if "example" in content:
                yield from wrong(document, f"{name} {kind}", content["schema"], content["example"])
    for pointer, schema in schemas_in(document):
        for example in (*schema.get("examples", ()), *filter(None, [schema.get("example")])):
            yield from wrong(document, pointer, schema, example)


def resolved(document: Document, schema: Document) -> Document:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Document = document["components"]["schemas"].get(name, schema)
    return found


def wrong(document: Document, at: str, schema: Document, example: object) -> Iterator[str]:
    whole = {**schema, "components": document["components"]}
    for error in jsonschema_rs.Draft202012Validator(whole).iter_errors(example):
        yield f"{at}: its example does not fit: {error.message}"


RULES: list[Rule] = [
    summaries, descriptions, tags, parameters, ambiguous_paths, security, responses, components,
    schemas, times, examples_of_bodies, examples,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_openapi_document_keeps_the_rule(rule: Rule, app: FastAPI) -> None:
    assert list(rule(app.openapi())) == []


def models_below(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from models_below(model)


def test_openapi_examples_equal_the_examples_of_models(app: FastAPI) -> None:
    """Also their nulls, which FastAPI leaves out."""
    known = app.openapi()["components"]["schemas"]
    written = {name: schema["example"] for name, schema in known.items() if "example" in schema}
    extras = {
        model.__name__: model.model_config["json_schema_extra"]
        for model in models_below(BaseModel)
        if model.__name__ in written and "json_schema_extra" in vars(model)["model_config"]
    }
    declared = {name: extra["example"] for name, extra in extras.items() if isinstance(extra, dict)}
    assert {name: written[name] for name in declared} == declared
    assert {"UserUpdate", "ItemUpdate", "UserErase"} <= declared.keys()
    assert written["UserUpdate"] == {"city": "London", "bio": None}
