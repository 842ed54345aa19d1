"""Let the erasure of a user keep a deleted project that has experiments or registered models.

These may be others' work. Such a project belongs to the tombstone alone, so that it keeps an owner
and its members keep nothing but their roles; an administrator purges what it has.
"""

from alembic import op

revision = "202611281403"
down_revision = "202611281402"
branch_labels = None
depends_on = None
PHASE = "expand"

TOMBSTONE = "00000000-0000-7000-8000-ffffffffffff"
# The condition of deleted projects whose only owner is the user.
ABANDONED = """
    deleted_at IS NOT NULL AND id IN (
        SELECT project_id FROM project_members WHERE user_id = OLD.id AND role = 'owner'
    ) AND NOT EXISTS (
        SELECT FROM project_members
        WHERE project_id = projects.id AND role = 'owner' AND user_id <> OLD.id
    )
"""
USED = """(
    EXISTS (SELECT FROM experiments WHERE project_id = projects.id)
    OR EXISTS (SELECT FROM registered_models WHERE project_id = projects.id)
)"""
# The lock keeps an experiment that is being added from coming between the two statements.
KEEP_USED = f"""
    PERFORM FROM projects WHERE {ABANDONED} ORDER BY id FOR UPDATE;
    UPDATE project_members SET user_id = '{TOMBSTONE}'
    WHERE user_id = OLD.id
        AND project_id IN (SELECT id FROM projects WHERE {ABANDONED} AND {USED});
"""  # noqa: S608 - constants
REST = f"""
    UPDATE projects SET created_by = '{TOMBSTONE}', version = version + 1, updated_at = now()
    WHERE created_by = OLD.id;
    -- A transfer under way ends first, and the statements after this see it.
    PERFORM FROM accounts WHERE owner_id = OLD.id ORDER BY id FOR UPDATE;
    DELETE FROM accounts
    WHERE owner_id = OLD.id AND balance = 0
        AND NOT EXISTS (SELECT FROM entries WHERE account_id = accounts.id);
    UPDATE accounts SET owner_id = '{TOMBSTONE}', name = '[erased]',
        closed_at = coalesce(closed_at, now()), version = version + 1, updated_at = now()
    WHERE owner_id = OLD.id;
    UPDATE transfers SET created_by = '{TOMBSTONE}' WHERE created_by = OLD.id;
    UPDATE orders SET user_id = '{TOMBSTONE}', version = version + 1, updated_at = now()
    WHERE user_id = OLD.id;
    RETURN OLD;
"""  # noqa: S608 - constants


def upgrade() -> None:
    replace_users_keep(KEEP_USED)


def downgrade() -> None:
    replace_users_keep("")


def replace_users_keep(keep: str) -> None:
    op.execute(f"""
        CREATE OR REPLACE FUNCTION users_keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
            INSERT INTO users (id, username, email, status, is_active, deleted_at)
            VALUES ('{TOMBSTONE}', '(erased)', '(erased)', 'inactive', false, now())
            ON CONFLICT (id) DO NOTHING;
            {keep}
            DELETE FROM projects WHERE {ABANDONED};
            {REST}
        END$$
    """)  # noqa: S608 - constants
