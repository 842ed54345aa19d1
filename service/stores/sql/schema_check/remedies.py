"""The statements that mend a difference, to be executed one by one outside of a transaction.

They lock a table for as short a time as PostgreSQL allows: indexes are built concurrently, and a
constraint is validated after it was added.
"""

import re

from service.stores.sql.schema_check.objects import Catalog, CatalogObject
from service.stores.sql.schema_check.relation_remedies import (
    add_column,
    change_column,
    change_options,
    change_relation,
    column_definition,
    create_table,
    table_settings,
)

Statements = list[str]


def description(item: CatalogObject) -> str:
    """Return the definition of an object, for people."""
    if item.key.group == "column":
        return column_definition(item)
    return item.values.get("create") or item.values.get("definition") or item.kind


def mentions(definition: str, name: str) -> bool:
    """Return whether a definition contains the name as a word."""
    return re.search(rf'(?<![\w"]){re.escape(name)}(?![\w"])', definition) is not None


def create(item: CatalogObject, catalog: Catalog) -> Statements:
    """Return the statements that create an object of the catalog, and what is on it."""
    name, definition = item.key.name, item.values.get("definition", "")
    match item.key.group:
        case "relation":
            statements = _create_relation(item, catalog)
        case "column":
            statements = [*add_column(item), *_own_sequences(item, catalog)]
        case "constraint":
            statements = _add_constraint(item)
        case "index":
            statements = [item.values["create"].replace(" INDEX ", " INDEX CONCURRENTLY ", 1)]
        case "type":
            word = "DOMAIN" if item.kind == "domain" else "TYPE"
            statements = [f"CREATE {word} {name} {definition}"] if definition else []
        case "sequence":
            statements = [f"CREATE SEQUENCE {name} {definition}", *_own(item)]
        case _:
            enabled = item.values.get("enabled", "enabled") == "enabled"
            statements = [definition, *([] if enabled else _enable(item))]
    return statements


def drop(item: CatalogObject) -> Statements:
    """Return the statement that drops what is on a table; it may be gone with another by then."""
    name, table = item.key.name, item.key.table
    match item.key.group:
        case "column" | "constraint" as group:
            return [f"ALTER TABLE {table} DROP {group.upper()} IF EXISTS {name}"]
        case "index":
            return [f"DROP INDEX CONCURRENTLY IF EXISTS {name}"]
        case "statistics":
            return [f"DROP STATISTICS IF EXISTS {name}"]
        case group:
            return [f"DROP {group.upper()} IF EXISTS {name} ON {table}"]


def change(
    what: str, expected: CatalogObject, actual: CatalogObject, catalog: Catalog
) -> Statements:
    """Return the statements that give an object the expected property ``what``."""
    match expected.key.group:
        case "relation" if what == "kind":
            aside = f"ALTER TABLE {expected.key.name} RENAME TO {_suffixed(expected.key.name)}"
            statements = [aside, *create(expected, catalog)]
        case "relation":
            statements = change_relation(what, expected, actual)
        case "column" if what == "generated" and expected.values[what]:
            statements = [*drop(actual), *create(expected, catalog)]
            statements += _indexes_on(expected, catalog)
        case "column":
            statements = change_column(what, expected, actual)
        case "constraint" if what != "definition":
            validate = f"ALTER TABLE {expected.key.table} VALIDATE CONSTRAINT {expected.key.name}"
            statements = [validate] if what == "validity" else actual.values["enable"].split(";")
        case "index":
            statements = _change_index(what, expected, actual)
        case _:
            statements = _change_definition(what, expected, actual, catalog)
    return statements


def _change_definition(
    what: str, expected: CatalogObject, actual: CatalogObject, catalog: Catalog
) -> Statements:
    name, wanted = expected.key.name, expected.values[what]
    match expected.key.group:
        case "function" if what == "definition":
            statements = [wanted]
        case "function":
            statements = [f"DROP {actual.kind.upper()} {name}", *create(expected, catalog)]
        case "type":
            statements = _add_labels(expected, actual)
        case "sequence":
            owner = f"OWNED BY {wanted or 'NONE'}"
            statements = [f"ALTER SEQUENCE {name} {owner if what == 'of_column' else wanted}"]
        case _ if what == "enabled":
            statements = _enable(expected)
        case _:
            statements = [*drop(actual), *create(expected, catalog)]
    return statements


def _create_relation(item: CatalogObject, catalog: Catalog) -> Statements:
    on_it = [*catalog.on_table(item.key.name)]
    columns = [other for other in on_it if other.key.group == "column"]
    others = [other for other in on_it if other.key.group != "column"]
    return [
        *create_table(item, columns),
        *(
            statement
            for other in others
            if not other.values.get("of_constraint")
            for statement in create(other, catalog)
        ),
        *([] if item.values["definition"] else table_settings(item)),  # a view has none
    ]


def _add_constraint(item: CatalogObject) -> Statements:
    alter, values = f"ALTER TABLE {item.key.table}", item.values
    add = f"{alter} ADD CONSTRAINT {item.key.name} {values['definition']}"
    if values["type"] not in {"c", "f"} or "NOT ENFORCED" in values["definition"]:
        return [add]
    validate = f"{alter} VALIDATE CONSTRAINT {item.key.name}"
    return [f"{add} NOT VALID", *([validate] if values["validity"] == "valid" else [])]


def _change_index(what: str, expected: CatalogObject, actual: CatalogObject) -> Statements:
    name = expected.key.name
    if what == "options":
        return change_options("INDEX", expected, actual)
    if what == "validity":
        return [f"REINDEX INDEX CONCURRENTLY {name}"]
    # The old one serves, and keeps values unique, until the new one is complete.
    new = _suffixed(name)
    _, verb, rest = expected.values["create"].partition(" INDEX ")
    build = expected.values["create"].removesuffix(verb + rest) + f" INDEX CONCURRENTLY {new}"
    return [
        build + rest.removeprefix(name),
        f"DROP INDEX CONCURRENTLY {name}",
        f"ALTER INDEX {new} RENAME TO {name}",
    ]


def _enable(item: CatalogObject) -> Statements:
    """Return the statement that puts a trigger or a rule in its state."""
    words = {"enabled": "ENABLE", "disabled": "DISABLE", "always enabled": "ENABLE ALWAYS"}
    verb = words.get(item.values["enabled"], "ENABLE REPLICA")
    return [f"ALTER TABLE {item.key.table} {verb} {item.key.group.upper()} {item.key.name}"]


def _indexes_on(column: CatalogObject, catalog: Catalog) -> Statements:
    """Return the statements for the indexes that are dropped with a column."""
    return [
        statement
        for other in catalog.on_table(column.key.table)
        if other.key.group == "index" and mentions(other.values["definition"], column.key.name)
        for statement in create(other, catalog)
    ]


def _own_sequences(column: CatalogObject, catalog: Catalog) -> Statements:
    """Return the statements for the sequences of a serial column."""
    owner = f"{column.key.table}.{column.key.name}"
    return [
        statement
        for item in catalog.objects.values()
        if item.values.get("of_column") == owner and not item.values["of_identity"]
        for statement in _own(item)
    ]


def _own(sequence: CatalogObject) -> Statements:
    owner = sequence.values["of_column"]
    return [f"ALTER SEQUENCE {sequence.key.name} OWNED BY {owner}"] if owner else []


def _add_labels(expected: CatalogObject, actual: CatalogObject) -> Statements:
    """Return the statements that add labels to an enum; nothing removes one, or alters a type."""
    wanted, found = (_labels(item.values["definition"]) for item in (expected, actual))
    if expected.kind != "enum" or not set(found) <= set(wanted):
        return []
    return [
        f"ALTER TYPE {expected.key.name} ADD VALUE {label}"
        + (f" AFTER {wanted[position - 1]}" if position else f" BEFORE {found[0]}")
        for position, label in enumerate(wanted)
        if label not in found
    ]


def _labels(definition: str) -> list[str]:
    return re.findall(r"'(?:[^']|'')*'", definition)


def _suffixed(name: str) -> str:
    return f'{name[:-1]}_1"' if name.endswith('"') else f"{name}_1"
