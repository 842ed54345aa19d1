"""Compare emails by email_key(): NFC, without case whatever the locale, and one form of a domain.

Refuses to begin while two users, or two open invitations into a project, have the same email by the
new rule; it lists them and merges nothing. Each new index is built beside the one that it replaces.
Processes of the release before find a user by email with a scan of the table from then on, until
they are replaced.
"""

from typing import NamedTuple

from alembic import op

from sql_migrations.email_keys import CREATE_EMAIL_KEY
from sql_migrations.refusal import refuse_while_rows

revision = "202611281100"
down_revision = "202611281000"
branch_labels = None
depends_on = None
PHASE = "expand"


class _Index(NamedTuple):
    name: str
    unique: str
    place: str  # with {key}, the expression that the migration replaces


_OPEN = "WHERE accepted_at IS NULL AND declined_at IS NULL"
INDEXES = (
    _Index("uq_users_email", "UNIQUE", "users ({key})"),
    _Index(
        "uq_project_invitations_open",
        "UNIQUE",
        f"project_invitations (project_id, {{key}}) {_OPEN}",
    ),
    _Index(
        "ix_project_invitations_email",
        "",
        f"project_invitations ({{key}}, created_at, id) {_OPEN}",
    ),
)
SAME_USERS = """
    SELECT string_agg(id || ' ' || email, ', ' ORDER BY created_at, id)
    FROM users GROUP BY email_key(email) HAVING count(*) > 1
"""
SAME_INVITATIONS = f"""
    SELECT 'project ' || project_id || ': ' || string_agg(id || ' ' || email, ', ' ORDER BY id)
    FROM project_invitations {_OPEN}
    GROUP BY project_id, email_key(email) HAVING count(*) > 1
"""  # noqa: S608 - constants


def upgrade() -> None:
    op.execute(CREATE_EMAIL_KEY)
    refuse_while_rows(
        SAME_USERS,
        "Users have the same email, as this release compares emails (id email, id email):",
        "Give each an email of their own: with PATCH /v1/users/{id} of the release before, deleted "
        "users in SQL",
    )
    refuse_while_rows(
        SAME_INVITATIONS,
        "A project has open invitations to the same email, as this release compares emails:",
        "Withdraw all but one: with DELETE /v1/projects/{id}/invitations/{id} of the release "
        "before",
    )
    _replace_indexes("email_key(email)")


def downgrade() -> None:
    _replace_indexes("lower(email)")
    op.execute("DROP FUNCTION email_key(text)")


def _replace_indexes(key: str) -> None:
    """Build the indexes over ``key``; each takes the name of its predecessor, which is dropped.

    Interrupted at any point, a repetition finds an index that guards, and leaves no other behind.
    """
    with op.get_context().autocommit_block():
        # The build waits for older transactions, and no request waits for it.
        op.execute("SET lock_timeout = 0")
        for name, unique, place in INDEXES:
            for remnant in (f"{name}_new", f"{name}_old"):
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {remnant}")
            op.execute(f"CREATE {unique} INDEX CONCURRENTLY {name}_new ON {place.format(key=key)}")
            # Both at once, so that the name in an error is always the one that the service knows.
            op.execute(f"""
                DO $$ BEGIN
                    ALTER INDEX {name} RENAME TO {name}_old;
                    ALTER INDEX {name}_new RENAME TO {name};
                END $$
            """)
            op.execute(f"DROP INDEX CONCURRENTLY {name}_old")
        op.execute("SET lock_timeout = '5s'")
