"""The migration that lets a DELETE of a user erase the person."""

from service.relational.users.tables import TOMBSTONE_ID
from tests.sql_migrations.one_connection import one_connection

BEFORE, AFTER = "202611281100", "202611281200"
FUNCTIONS = "SELECT proname FROM pg_proc WHERE proname LIKE 'users\\_%' ORDER BY 1"
TOMBSTONE = f"""
    SELECT deleted_at IS NULL, password_hash FROM users WHERE id = '{TOMBSTONE_ID}'
"""


def test_migration_repeated_after_interruptions_mends_the_tombstone(empty_database: str) -> None:
    changed = f"UPDATE users SET deleted_at = NULL, password_hash = 'x' WHERE id = '{TOMBSTONE_ID}'"
    with one_connection(empty_database) as database:
        database.upgrade(BEFORE)
        before = database.fetch(FUNCTIONS)
        database.upgrade(AFTER)
        assert len(database.fetch(FUNCTIONS)) > len(before)
        # As if a downgrade had been killed between its statements.
        database.execute("DROP FUNCTION users_keep() CASCADE")
        database.execute("DROP TRIGGER transfers_keep ON transfers")
        database.downgrade(BEFORE)
        assert database.fetch(FUNCTIONS) == before
        database.execute(changed)  # by the release before
        database.upgrade(AFTER)
        (tombstone,) = database.fetch(TOMBSTONE)
    assert tuple(tombstone) == (False, None)
