"""Search parts of words, and compare names in one form, whatever the locale of the database.

Triggers fill the columns ``search`` of users, tags, products and posts from now on. No table is
rewritten: the generated columns become plain ones, and rows that are there are filled in batches.
Their old words are found meanwhile. Names, titles and cities are composed (NFC) as well, so that
filters find them. Names of tags and categories that are one name now are listed and refused.
"""

from alembic import op

from sql_migrations.batches import Batches
from sql_migrations.refusal import refuse_while_rows
from sql_migrations.search_functions import FUNCTIONS, VECTORS

revision = "202611281000"
down_revision = "202611271400"
branch_labels = None
depends_on = None
PHASE = "expand"

# Filters compare these as they are stored, and what a client sends is composed. Some characters are
# longer composed: a text that would not fit into its column stays as it is.
COMPOSED = [
    Batches(
        table=table,
        where=f"{column} IS NOT NFC NORMALIZED AND length(normalize({column})) <= {length}",
        columns="id",
        change=f"UPDATE {table} SET {column} = normalize({column}), "  # noqa: S608
        f"version = version + 1, updated_at = now() FROM batch WHERE {table}.id = batch.id",
    )
    for table, column, length in (
        ("users", "name", 200),
        ("users", "city", 200),
        ("tags", "name", 60),
        ("categories", "name", 200),
        ("products", "name", 200),
        ("posts", "title", 200),
    )
]
FILLS = [
    Batches(
        table=table,
        where=f"search IS DISTINCT FROM {vector.format(row='')}",
        columns="id",
        change=f"UPDATE {table} SET search = {vector.format(row=f'{table}.')} "  # noqa: S608
        f"FROM batch WHERE {table}.id = batch.id",
    )
    for table, (_, vector) in VECTORS.items()
]
BATCHES = FILLS[0]  # read by `polystore migrate plan`, which shows one number of rows
# Each name, the rest of its definition with the function, and whether it is unique.
INDEXES = {
    "uq_tags_name": ("ON tags ({name}(name))", "UNIQUE"),
    "ix_tags_name_prefix": ("ON tags ({name}(name) text_pattern_ops)", ""),
    "uq_categories_name": (
        "ON categories (parent_id, {name}(name)) NULLS NOT DISTINCT",
        "UNIQUE",
    ),
}
GENERATED = {
    "users": "to_tsvector('simple', username || ' ' || coalesce(name, '') || ' ' || "
    "coalesce(city, ''))",
    "products": "to_tsvector('simple', sku || ' ' || name || ' ' || description)",
    "posts": "to_tsvector('english', title || ' ' || content)",
}


def upgrade() -> None:
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE OR REPLACE FUNCTION {signature} {body}")
    refuse_collisions("tags", "fold_name(name)")
    refuse_collisions("categories", "parent_id, fold_name(name)")
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE tags ADD COLUMN IF NOT EXISTS search tsvector DEFAULT '' NOT NULL")
        for table, (columns, vector) in VECTORS.items():
            fill_from_now_on(table, columns, vector)
        op.execute(
            "-- squawk-ignore ban-drop-default\nALTER TABLE tags ALTER COLUMN search DROP DEFAULT"
        )
    for batches in (*COMPOSED, *FILLS):
        batches.run()
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE tags ALTER COLUMN search SET STATISTICS 1000")
        build("ix_tags_search", "ON tags USING gin (search)")
        for name, (definition, unique) in INDEXES.items():
            replace(name, definition.format(name="fold_name"), unique)


def refuse_collisions(table: str, compared: str) -> None:
    """Refuse while names of a table are one in the form in which they are compared from now on."""
    refuse_while_rows(
        f"SELECT string_agg(format('%s (%s)', name, id), ' and ' ORDER BY id) FROM {table} "  # noqa: S608
        f"GROUP BY {compared} HAVING count(*) > 1 ORDER BY 1",
        f"Names of {table} are one name in Unicode's composed form:",
        "Rename or remove all but one of each",
    )


def fill_from_now_on(table: str, columns: tuple[str, ...], vector: str) -> None:
    """Let a trigger fill ``search``; it is there before the generated value ends."""
    op.execute(f"""
        CREATE OR REPLACE FUNCTION {table}_fill_search() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.search := {vector.format(row="NEW.")};
            RETURN NEW;
        END $$
    """)
    op.execute(f"""
        CREATE OR REPLACE TRIGGER {table}_search
        BEFORE INSERT OR UPDATE OF {", ".join(columns)} ON {table}
        FOR EACH ROW EXECUTE FUNCTION {table}_fill_search()
    """)
    # Clients read the column as before, and none writes it.
    op.execute(
        "-- squawk-ignore ban-drop-generated-expression\n"
        f"ALTER TABLE {table} ALTER COLUMN search DROP EXPRESSION IF EXISTS"
    )


def build(name: str, definition: str, unique: str = "") -> None:
    """Build an index; an invalid one, which a failed build has left, is replaced."""
    waiting(
        f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
        f"CREATE {unique} INDEX CONCURRENTLY {name} {definition}",
    )


def replace(name: str, definition: str, unique: str) -> None:
    """Build an index beside the one of its name, then let it take its place.

    Interrupted at any point, a repetition finds an index that guards, and leaves no other behind.
    """
    waiting(f"DROP INDEX CONCURRENTLY IF EXISTS {name}_old")
    build(f"{name}_new", definition, unique)
    # Both at once, so that the name in an error is always the one that the service knows.
    op.execute(f"""
        DO $$ BEGIN
            ALTER INDEX {name} RENAME TO {name}_old;
            ALTER INDEX {name}_new RENAME TO {name};
        END $$
    """)
    waiting(f"DROP INDEX CONCURRENTLY {name}_old")


def waiting(*statements: str) -> None:
    """Execute what waits for older transactions as long as they last; no request waits for it."""
    op.execute("SET lock_timeout = 0")
    for statement in statements:
        op.execute(statement)
    op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    """Generate the columns anew, which rewrites the tables."""
    with op.get_context().autocommit_block():
        for name, (definition, unique) in INDEXES.items():
            replace(name, definition.format(name="lower"), unique)
    op.execute("ALTER TABLE tags DROP COLUMN search CASCADE")
    for table in VECTORS:
        op.execute(f"DROP FUNCTION {table}_fill_search() CASCADE")  # and the trigger that calls it
    for table, expression in GENERATED.items():
        op.execute(f"""
            ALTER TABLE {table} DROP COLUMN search,
                ADD COLUMN search tsvector GENERATED ALWAYS AS ({expression}) STORED NOT NULL
        """)
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET STATISTICS 1000")
        op.execute(f"CREATE INDEX ix_{table}_search ON {table} USING gin (search)")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
