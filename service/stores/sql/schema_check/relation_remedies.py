"""The statements that create or change a table, a view or a column."""

from service.stores.sql.schema_check.objects import CatalogObject

Statements = list[str]
DEFAULTS = {
    "row_security": "DISABLE",
    "row_security_of_owner": "NO FORCE",
    "replica_identity": "DEFAULT",
    "parents": "",
}


def column_definition(column: CatalogObject) -> str:
    """Return the column as in CREATE TABLE."""
    values = column.values
    parts = [column.key.name, _type(values["type"], values["collation"])]
    if values["expression"]:
        parts.append(f"GENERATED ALWAYS AS ({values['expression']}) {values['generated']}")
    elif values["identity"]:
        parts.append(f"GENERATED {values['identity']} AS IDENTITY")
    elif values["default"]:
        parts.append(f"DEFAULT {values['default']}")
    if values["nullability"] != "NULL":
        parts.append("NOT NULL")
    return " ".join(parts)


def add_column(column: CatalogObject) -> Statements:
    """Return the statements that add a column; without a value for old rows it begins nullable."""
    alter, values = f"ALTER TABLE {column.key.table}", column.values
    definition, has_value = column_definition(column), values["expression"] or values["default"]
    statements = [f"{alter} ADD COLUMN {definition}"]
    if definition.endswith(" NOT NULL") and not (has_value or values["identity"]):
        nullable = definition.removesuffix(" NOT NULL")
        statements = [
            f"{alter} ADD COLUMN {nullable}",
            f"{alter} ALTER COLUMN {column.key.name} SET NOT NULL",
        ]
    return [*statements, *_statistics(column)]


def change_column(what: str, expected: CatalogObject, actual: CatalogObject) -> Statements:
    """Return the statement that gives a column the expected property ``what``."""
    name, values = expected.key.name, expected.values
    wanted = values[what]
    match what:
        case "type" | "collation":
            action = f"TYPE {_type(values['type'], values['collation'])} "
            action += f"USING {name}::{values['type']}"
        case "nullability":
            action = "SET NOT NULL" if wanted == "NOT NULL" else "DROP NOT NULL"
        case "default":
            action = f"SET DEFAULT {wanted}" if wanted else "DROP DEFAULT"
        case "generated":
            action = "DROP EXPRESSION"
        case "expression":
            action = f"SET EXPRESSION AS ({wanted})"
        case "identity" if wanted and actual.values[what]:
            action = f"SET GENERATED {wanted}"
        case "identity":
            action = f"ADD GENERATED {wanted} AS IDENTITY" if wanted else "DROP IDENTITY"
        case _:
            action = f"SET STATISTICS {wanted}"
    return [f"ALTER TABLE {expected.key.table} ALTER COLUMN {name} {action}"]


def create_table(table: CatalogObject, columns: list[CatalogObject]) -> Statements:
    """Return the statements that create a table or a view, without what is on it."""
    name, values = table.key.name, table.values
    storage = f" WITH ({values['options']})" if values["options"] else ""
    if values["definition"]:
        definition = values["definition"].rstrip(";")
        return [f"CREATE {table.kind.upper()} {name}{storage} AS {definition}"]
    word = "UNLOGGED TABLE" if values["persistence"] == "UNLOGGED" else "TABLE"
    definitions = ", ".join(column_definition(column) for column in columns)
    return [
        f"CREATE {word} {name} ({definitions}){storage}",
        *(statement for column in columns for statement in _statistics(column)),
    ]


def table_settings(table: CatalogObject) -> Statements:
    """Return the statements that give a new table its settings."""
    usual = table._replace(values={**table.values, **DEFAULTS})
    return [
        statement
        for what, value in DEFAULTS.items()
        if table.values[what] != value
        for statement in change_relation(what, table, usual)
    ]


def change_relation(what: str, expected: CatalogObject, actual: CatalogObject) -> Statements:
    """Return the statements that give a table or a view the expected property ``what``."""
    name, wanted = expected.key.name, expected.values[what]
    alter = f"ALTER TABLE {name}"
    match what:
        case "definition" if expected.kind == "view":
            statements = [f"CREATE OR REPLACE VIEW {name} AS {wanted.rstrip(';')}"]
        case "definition":
            statements = [f"DROP MATERIALIZED VIEW {name}", *create_table(expected, [])]
        case "persistence":
            statements = [f"{alter} SET {wanted}"]
        case "row_security" | "row_security_of_owner":
            statements = [f"{alter} {wanted} ROW LEVEL SECURITY"]
        case "replica_identity":
            statements = [f"{alter} REPLICA IDENTITY {wanted}"]
        case "options":
            statements = change_options("TABLE", expected, actual)
        case _:
            old, new = _listed(actual.values[what]), _listed(wanted)
            statements = [f"{alter} NO INHERIT {parent}" for parent in old if parent not in new]
            statements += [f"{alter} INHERIT {parent}" for parent in new if parent not in old]
    return statements


def change_options(word: str, expected: CatalogObject, actual: CatalogObject) -> Statements:
    """Return the statements for storage parameters, such as ``fillfactor=70``."""
    alter, wanted = f"ALTER {word} {expected.key.name}", expected.values["options"]
    kept = {option.partition("=")[0] for option in _listed(wanted)}
    names = (option.partition("=")[0] for option in _listed(actual.values["options"]))
    surplus = ", ".join(name for name in names if name not in kept)
    return [
        *([f"{alter} RESET ({surplus})"] if surplus else []),
        *([f"{alter} SET ({wanted})"] if wanted else []),
    ]


def _type(name: str, collation: str) -> str:
    return f"{name} COLLATE {collation}" if collation else name


def _statistics(column: CatalogObject) -> Statements:
    target = column.values["statistics"]
    return [] if target == "-1" else change_column("statistics", column, column)


def _listed(values: str) -> list[str]:
    return values.split(", ") if values else []
