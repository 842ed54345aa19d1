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
BEFORE = "DELETE FROM projects"


def upgrade() -> None:
    replace_in_users_keep(BEFORE, KEEP_USED + BEFORE)


def downgrade() -> None:
    replace_in_users_keep(KEEP_USED + BEFORE, BEFORE)


def replace_in_users_keep(old: str, new: str) -> None:
    """Replace a part of the function's text, so that the way down leaves it as it was."""
    op.execute(f"""
        DO $do$ BEGIN
            EXECUTE replace(
                pg_get_functiondef('users_keep()'::regprocedure), $part${old}$part$,
                $part${new}$part$
            );
        END $do$
    """)
