"""Let a DELETE of a user erase the person: cascades, a tombstone, and two triggers.

What belongs to the person goes by ON DELETE CASCADE. What others rely on (orders, accounts,
transfers, projects, movements of stock, the audit trail) stays and belongs to the tombstone, a user
who is deleted and cannot log in. Triggers do that, and not ON DELETE SET DEFAULT: a column whose
default is the tombstone would take any INSERT that forgets the owner.

- ``users_keep`` runs before the row and its cascades go. An account with money breaks
  ck_accounts_closed_is_empty, a project without another owner ck_project_members_last_owner.
- ``users_redact`` runs after the cascades, so that it sees what they waited for. Of much that it
  would do, the service does slices before, with the same two functions.

Going down leaves the tombstone, because rows belong to it: an ordinary deleted user for the release
before. Each table is changed in a transaction of its own, so that no lock waits for another table.
"""

import sqlalchemy as sa
from alembic import op

revision = "202611281200"
down_revision = "202611281100"
branch_labels = None
depends_on = None
PHASE = "expand"

TOMBSTONE = "00000000-0000-7000-8000-ffffffffffff"
FORGOTTEN_UNTIL = "polystore.responses_forgotten_until"
CASCADES = {
    "posts": ("fk_posts_author_id", "author_id"),
    "comments": ("fk_comments_author_id", "author_id"),
    "logins": ("fk_logins_user_id", "user_id"),
    "api_keys": ("fk_api_keys_user_id", "user_id"),
    "project_members": ("fk_project_members_user_id", "user_id"),
    "project_invitations": ("fk_project_invitations_invited_by", "invited_by"),
}
INDEXES = {
    "ix_users_deleted_id": ("users", "id", "deleted_at IS NOT NULL"),
    "ix_projects_created_by": ("projects", "created_by", None),
    "ix_project_invitations_invited_by": ("project_invitations", "invited_by", None),
    "ix_project_invitations_to": ("project_invitations", "email_key(email)", None),
    "ix_transfers_created_by": ("transfers", "created_by", None),
    "ix_stock_movements_user_id": ("stock_movements", "user_id", "user_id IS NOT NULL"),
}
# The API accepts neither such a username nor such an email.
INSERT_TOMBSTONE = f"""
    INSERT INTO users (id, username, email, status, is_active, deleted_at)
    VALUES ('{TOMBSTONE}', '(erased)', '(erased)', 'inactive', false, now())
    ON CONFLICT (id) DO
"""  # noqa: S608 - a constant
# The service calls them for some rows at a time, so that little is left for users_redact.
SHARED = {
    # Roles and states are no names, even of a user who is called "editor".
    "users_redact_events(person users, event_ids uuid[])": f"""
        UPDATE audit_events SET
            user_id = CASE WHEN user_id = person.id THEN '{TOMBSTONE}' ELSE user_id END,
            subject_id = CASE WHEN subject_id = person.id THEN '{TOMBSTONE}' ELSE subject_id END,
            address = CASE WHEN user_id <> person.id THEN address END,
            details = coalesce((
                SELECT jsonb_object_agg(key, CASE WHEN EXISTS (
                    SELECT FROM (VALUES
                        (person.id::text, true), (person.email, true),
                        (person.username, key NOT IN ('before', 'after', 'status')),
                        (person.name, key NOT IN ('before', 'after', 'status'))
                    ) AS words (word, applies)
                    WHERE applies AND word <> ''
                        AND position(lower(word) IN lower(value::text)) > 0
                ) THEN '"[erased]"' ELSE value END)
                FROM jsonb_each(details)
            ), '{{}}')
        WHERE id = ANY(event_ids) AND (user_id = person.id OR subject_id = person.id);
    """,  # noqa: S608 - a constant
    # A response about a user has their id, one about an invitation to them their email, in the
    # form that the inviter typed. The table holds the responses of a day.
    "users_forget_responses(person users, after timestamptz, until timestamptz)": """
        DELETE FROM idempotency_keys
        WHERE created_at > coalesce(after, '-infinity')
            AND created_at <= coalesce(until, 'infinity')
            AND EXISTS (
                SELECT FROM unnest(ARRAY(
                    SELECT convert_to(person.id::text, 'UTF8')
                    UNION SELECT convert_to(to_json(person.email)::text, 'UTF8')
                    UNION SELECT convert_to(to_json(email)::text, 'UTF8') FROM project_invitations
                    WHERE email_key(email) = email_key(person.email)
                )) AS word
                WHERE position(word IN body) > 0
            );
    """,
}
FUNCTIONS = {
    "users_refuse_tombstone": """
        RAISE EXCEPTION 'the tombstone stays deleted and without a password'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_users_tombstone';
    """,
    "users_keep": f"""
        {INSERT_TOMBSTONE} NOTHING;
        DELETE FROM projects
        WHERE deleted_at IS NOT NULL AND id IN (
            SELECT project_id FROM project_members WHERE user_id = OLD.id AND role = 'owner'
        ) AND NOT EXISTS (
            SELECT FROM project_members
            WHERE project_id = projects.id AND role = 'owner' AND user_id <> OLD.id
        );
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
    """,  # noqa: S608 - a constant
    # The setting is the time up to which the transaction has forgotten responses.
    "users_redact": f"""
        UPDATE stock_movements SET user_id = '{TOMBSTONE}' WHERE user_id = OLD.id;
        PERFORM users_forget_responses(
            OLD, nullif(current_setting('{FORGOTTEN_UNTIL}', true), '')::timestamptz, NULL
        );
        DELETE FROM project_invitations WHERE email_key(email) = email_key(OLD.email);
        PERFORM users_redact_events(OLD, ARRAY(
            SELECT id FROM audit_events WHERE user_id = OLD.id OR subject_id = OLD.id
        ));
        RETURN NULL;
    """,  # noqa: S608 - a constant
}
TRIGGERS = {
    "users_keep_tombstone": f"""
        BEFORE DELETE ON users FOR EACH ROW WHEN (OLD.id = '{TOMBSTONE}')
        EXECUTE FUNCTION users_refuse_tombstone()
    """,
    # It stays deleted and without a password. Other columns may change with those of all users.
    "users_lock_tombstone": f"""
        BEFORE UPDATE ON users FOR EACH ROW WHEN (
            OLD.id = '{TOMBSTONE}' AND (
                NEW.id <> OLD.id OR NEW.deleted_at IS NULL OR NEW.password_hash IS NOT NULL
            )
        ) EXECUTE FUNCTION users_refuse_tombstone()
    """,
    "users_keep": "BEFORE DELETE ON users FOR EACH ROW EXECUTE FUNCTION users_keep()",
    "users_redact": "AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION users_redact()",
    "transfers_stay": """
        BEFORE DELETE ON transfers
        FOR EACH ROW EXECUTE FUNCTION ledger_refuse('ck_transfers_immutable')
    """,
    # All but the creator, who becomes the tombstone.
    "transfers_keep": f"""
        BEFORE UPDATE ON transfers FOR EACH ROW WHEN (
            NEW.created_by <> '{TOMBSTONE}'
            OR to_jsonb(NEW) - 'created_by' <> to_jsonb(OLD) - 'created_by'
        ) EXECUTE FUNCTION ledger_refuse('ck_transfers_immutable')
    """,
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # The build waits for older transactions, and no request waits for it. One that failed
        # leaves an invalid index, which a repetition replaces.
        op.execute("SET lock_timeout = 0")
        for name, (table, column, where) in INDEXES.items():
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
            condition = None if where is None else sa.text(where)
            op.create_index(
                name,
                table,
                [sa.text(column)],
                postgresql_concurrently=True,
                postgresql_where=condition,
            )
        op.execute("SET lock_timeout = '5s'")
        for table, (name, column) in CASCADES.items():
            _refer_to_users(table, name, column, "ON DELETE CASCADE")
        for name, body in SHARED.items():
            _create_function(name, "void", body)
        for name, body in FUNCTIONS.items():
            _create_function(f"{name}()", "trigger", body)
        for name, rest in TRIGGERS.items():
            op.execute(f"CREATE OR REPLACE TRIGGER {name} {rest}")
    # After a downgrade the release before may have restored the tombstone, or set its password.
    op.execute(f"""
        {INSERT_TOMBSTONE} UPDATE
        SET deleted_at = coalesce(users.deleted_at, now()), password_hash = NULL
    """)  # noqa: S608 - constants


def downgrade() -> None:
    """Leave the tombstone: rows belong to it, and the release before sees a deleted user."""
    with op.get_context().autocommit_block():
        for name in ("users_refuse_tombstone", "users_keep", "users_redact"):
            op.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")  # and the triggers that call it
        for name in SHARED:
            op.execute(f"DROP FUNCTION IF EXISTS {name}")
        op.execute("""
            CREATE OR REPLACE TRIGGER transfers_stay BEFORE UPDATE OR DELETE ON transfers
            FOR EACH ROW EXECUTE FUNCTION ledger_refuse('ck_transfers_immutable')
        """)
        op.execute("DROP TRIGGER IF EXISTS transfers_keep ON transfers")
        for table, (name, column) in CASCADES.items():
            _refer_to_users(table, name, column, "")
        op.execute("SET lock_timeout = 0")  # a drop waits for older transactions, as a build does
        for name, (table, _, _) in INDEXES.items():
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
        op.execute("SET lock_timeout = '5s'")


def _create_function(name: str, returns: str, body: str) -> None:
    op.execute(
        f"CREATE OR REPLACE FUNCTION {name} RETURNS {returns} LANGUAGE plpgsql "
        f"AS $$BEGIN{body}END$$"
    )


def _refer_to_users(table: str, name: str, column: str, action: str) -> None:
    """Replace the foreign key at once, so that it always holds; rows that are there satisfy it."""
    op.execute(f"""
        ALTER TABLE {table}
            -- squawk-ignore ban-drop-constraint
            DROP CONSTRAINT IF EXISTS {name},
            ADD CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES users (id) {action} NOT VALID
    """)
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
