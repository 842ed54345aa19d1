"""The migration that searches parts of words: composed names, refused ones, and no long lock."""

import re

import pytest
from alembic import command

from service.stores.sql import migrations
from tests.sql_migrations.rows import ADA, BEN, ONE, ROWS, THREE, TWO, execute, fetch

BEFORE, AFTER = "202611271400", "202611281000"
NFD, NFC = "e\u0301", "é"
LONGER = "\u0958"  # composed, it is two characters
COLUMNS = (
    ("users", "name", ADA),
    ("users", "city", BEN),
    ("tags", "name", ONE),
    ("categories", "name", ONE),
    ("products", "name", ONE),
    ("posts", "title", ONE),
)


@pytest.fixture
def old_database(empty_database: str) -> str:
    """The URL of a database from before the migration, with rows."""
    command.upgrade(migrations.alembic_config(empty_database), BEFORE)
    tables = ("users", "tags", "posts", "categories", "products")
    execute(empty_database, *(ROWS[table] for table in tables))
    for table, column, key in COLUMNS:
        execute(empty_database, f"UPDATE {table} SET {column} = '{NFD}' WHERE id = '{key}'")
    return empty_database


def upgrade(url: str) -> None:
    """Upgrade to the migration alone, with the errors that operators get."""
    with migrations.translate_errors():
        command.upgrade(migrations.alembic_config(url, upgrading=True), AFTER)


def test_migration_composes_what_filters_compare(old_database: str) -> None:
    execute(
        old_database,
        f"UPDATE users SET name = repeat('{LONGER}', 200), city = '{NFD}' WHERE id = '{BEN}'",
        f"INSERT INTO tags (id, name) VALUES ('{THREE}', repeat('{LONGER}', 60))",
        # As if an earlier run had been killed between its statements.
        "CREATE INDEX uq_tags_name_new ON tags (id)",
        "CREATE INDEX uq_tags_name_old ON tags (id)",
    )
    indexes = "SELECT indexname FROM pg_indexes WHERE indexname ~ '_(new|old)$'"
    upgrade(old_database)
    for table, column, key in COLUMNS:
        found = fetch(old_database, f"SELECT {column}, version FROM {table} WHERE id = '{key}'")
        assert tuple(found[0]) == (NFC, 2), (table, column)
    kept = fetch(old_database, f"SELECT name FROM users WHERE id = '{BEN}'")
    kept += fetch(old_database, f"SELECT name FROM tags WHERE id = '{THREE}'")
    assert [name for (name,) in kept] == [LONGER * 200, LONGER * 60]
    assert fetch(old_database, indexes) == []


def test_migration_lists_names_that_are_one(old_database: str) -> None:
    execute(old_database, f"UPDATE tags SET name = '{NFC}' WHERE id = '{TWO}'")
    with pytest.raises(migrations.MigrationRefused, match=f"{NFD} .{ONE}. and {NFC} .{TWO}."):
        upgrade(old_database)
    assert migrations.head_of(old_database) == BEFORE


def test_migrations_from_then_on_drop_no_index_under_a_lock(
    capsys: pytest.CaptureFixture[str],
) -> None:
    migrations.print_sql(None)
    _, _, since = capsys.readouterr().out.partition(f"-- Running upgrade {BEFORE} ->")
    assert len(re.findall("DROP INDEX CONCURRENTLY", since)) > 5
    assert re.findall("DROP INDEX (?!CONCURRENTLY).*", since) == []
