"""Cases: for a seed and a number always the same kind of change of the same operation."""

import json
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from urllib.parse import urlencode

from service.web.bodies.ndjson import BYTES
from tests.fixtures.client import statuses_of
from tests.fuzz.hostile_values import CANARY, HEADERS, PATHS, QUERIES
from tests.fuzz.mutations import mutated_bytes, mutated_tree
from tests.fuzz.objects import Objects
from tests.fuzz.wire import request_bytes
from tests.project.access_matrix import ACCESS_MATRIX

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
ENDLESS = {"predictions_tail"}  # a response that has no end
RENEW_AFTER = 100  # cases, until objects that were deleted and changed are created anew
KINDS = ("valid", "tree", "bytes", "header", "query", "path")


class Operation(NamedTuple):
    """One operation of the OpenAPI document; ``bodies`` are valid ones, of JSON objects."""

    name: str
    method: str
    path: str
    kind: str
    bodies: list[dict[str, Any]]
    query: list[str]
    fields: list[str]
    statuses: frozenset[str]


class Case(NamedTuple):
    """One request."""

    number: int
    operation: Operation
    kind: str
    request: bytes


def operations_of(document: Mapping[str, Any]) -> list[Operation]:
    """Return the operations of an OpenAPI document, with bodies that they accept."""
    return [
        _operation(document, path, method, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if described["operationId"] not in ENDLESS
    ]


def _operation(
    document: Mapping[str, Any], path: str, method: str, described: Mapping[str, Any]
) -> Operation:
    name = described["operationId"]
    content = described.get("requestBody", {}).get("content", {})
    schema = next(iter(content.values()))["schema"] if content else {}
    schema = schema.get("contentSchema", schema)  # of each line
    schema = document["components"]["schemas"].get(
        schema.get("$ref", "").rsplit("/", 1)[-1], schema
    )
    example = schema.get("example", {}) if content.keys() <= {JSON} else {}
    rows = [row for key, row in ACCESS_MATRIX.items() if key.split()[0] == name]
    bodies = [{**example, **row.body} for row in rows if row.body is not None]
    return Operation(
        name=name,
        method=method.upper(),
        path=path,
        kind=next(iter(content), JSON),
        bodies=bodies if content else [],
        query=[
            entry["name"] for entry in described.get("parameters", []) if entry["in"] == "query"
        ],
        fields=list(schema.get("properties", {})),
        statuses=statuses_of(described),
    )


def generated(
    operations: list[Operation], objects: Objects, headers: Mapping[str, str], seed: int, count: int
) -> Iterator[Case]:
    """Yield a valid request for each operation, then ``count`` hostile ones."""
    for operation in operations:
        objects.forget()
        yield _case(-1, operation, "valid", objects, headers, Random(seed))
    for number in range(count):
        random = Random(f"{seed}:{number}")
        if number % RENEW_AFTER == 0:
            objects.forget()
        operation = random.choice(operations)
        possible = _possible_kinds(operation)
        kind = random.choices(list(possible), list(possible.values()))[0]
        yield _case(number, operation, kind, objects, headers, random)


def _possible_kinds(operation: Operation) -> dict[str, int]:
    """Return the kinds of changes that an operation has a place for, with their weights."""
    return {
        "header": 15,
        **({"tree": 60, "bytes": 15} if operation.bodies else {}),
        **({"query": 40} if operation.query else {"query": 2}),
        **({"path": 15} if "{" in operation.path else {}),
    }


def _case(
    number: int,
    operation: Operation,
    kind: str,
    objects: Objects,
    headers: Mapping[str, str],
    random: Random,
) -> Case:
    sent = [("Host", "fuzz"), *headers.items()]
    body = None
    if operation.bodies:
        valid = objects.body(
            random.choice(operation.bodies) if number >= 0 else operation.bodies[0]
        )
        body = _body(operation, kind, valid, random)
        sent.append(("Content-Type", operation.kind))
    if kind == "header":
        name, value = random.choice(HEADERS)
        sent.append((name, value))
    target = _path(operation.path, objects, random if kind == "path" else None)
    if kind == "query":
        target += "?" + _query(operation, random)
    return Case(number, operation, kind, request_bytes(operation.method, target, sent, body))


def _body(operation: Operation, kind: str, valid: dict[str, Any], random: Random) -> bytes:
    if operation.kind == FORM and kind != "bytes":
        form = {
            **valid,
            **({random.choice(list(valid)): CANARY + "\x00"} if kind == "tree" else {}),
        }
        return urlencode(form).encode()
    plain = json.dumps(valid).encode()
    body = plain
    if kind == "tree":
        body = mutated_tree(valid, operation.fields, random)
    elif kind == "bytes":
        body = mutated_bytes(plain, random)
    if operation.kind == BYTES and random.random() < 0.5:
        return b"\n".join([plain, body, plain]) + b"\n"
    return body


def _path(template: str, objects: Objects, random: Random | None) -> str:
    names = re.findall(r"\{(\w+)\}", template)
    values = {name: objects.value(name) for name in names}
    if random is not None:
        values[random.choice(names)] = random.choice(PATHS)
    return template.format(**values)


def _query(operation: Operation, random: Random) -> str:
    names = [*operation.query, "unknown", "limit", "q[$ne]", "%00"]
    pairs = [
        f"{random.choice(names[: len(operation.query)] or names)}={random.choice(QUERIES)}"
        for _ in range(random.choice((1, 1, 2, 3)))
    ]
    if random.random() < 0.15:
        pairs.append(random.choice((*names, pairs[0], "&&", "=", "=x", ";")))
    return "&".join(pairs)
