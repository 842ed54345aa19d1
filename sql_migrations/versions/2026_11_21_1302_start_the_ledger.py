"""Add the ledger's triggers: PostgreSQL enforces entries, transfers and balances.

A refused statement carries the name of a constraint, which the service maps to an error
(``constraints=``).

- An entry is one of the two that its transfer must have, and exists once (uq_entries_transfer_id);
  it changes the balance of its account. At commit a transfer has both. So the entries of a transfer
  sum to zero, and no history has to be added up again.
- A balance is written only by an entry's trigger; every other statement runs outside of a trigger.
- Entries and transfers are only added. A reversal is its original in the other direction, and
  cannot be reversed itself.
"""

from alembic import op

revision = "202611211302"
down_revision = "202611211301"
branch_labels = None
depends_on = None
PHASE = "expand"

FUNCTIONS = {
    # Its argument is the name of the broken constraint.
    "ledger_refuse": """
        RAISE EXCEPTION USING MESSAGE = 'the ledger refuses: ' || TG_ARGV[0],
            ERRCODE = 'check_violation', CONSTRAINT = TG_ARGV[0];
    """,
    "ledger_book_entry": """
        PERFORM FROM transfers
        WHERE id = NEW.transfer_id AND created_at = NEW.created_at
            AND (from_account_id = NEW.account_id AND -amount = NEW.amount
                OR to_account_id = NEW.account_id AND amount = NEW.amount);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'not an entry of this transfer'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_entries_fit_transfer';
        END IF;
        UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.account_id;
        RETURN NULL;
    """,
    "ledger_check_transfer": """
        IF (SELECT count(*) < 2 OR sum(amount) <> 0 FROM entries WHERE transfer_id = NEW.id) THEN
            RAISE EXCEPTION 'the entries of a transfer are two and sum to zero'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_transfers_balanced';
        END IF;
        RETURN NULL;
    """,
    "ledger_check_reversal": """
        PERFORM FROM transfers
        WHERE id = NEW.reverses_id AND reverses_id IS NULL AND amount = NEW.amount
            AND from_account_id = NEW.to_account_id AND to_account_id = NEW.from_account_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a reversal is its original the other way round'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_transfers_reversal';
        END IF;
        RETURN NULL;
    """,
}
TRIGGERS = (
    """
    CREATE TRIGGER accounts_open_empty BEFORE INSERT ON accounts
    FOR EACH ROW WHEN (NEW.balance <> 0)
    EXECUTE FUNCTION ledger_refuse('ck_accounts_balance_is_sum')
    """,
    """
    CREATE TRIGGER accounts_keep_balance BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN (NEW.balance <> OLD.balance AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION ledger_refuse('ck_accounts_balance_is_sum')
    """,
    """
    CREATE TRIGGER entries_book AFTER INSERT ON entries
    FOR EACH ROW EXECUTE FUNCTION ledger_book_entry()
    """,
    """
    CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON entries
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('ck_entries_immutable')
    """,
    """
    CREATE CONSTRAINT TRIGGER transfers_balanced AFTER INSERT ON transfers
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_check_transfer()
    """,
    """
    CREATE TRIGGER transfers_reversal AFTER INSERT ON transfers
    FOR EACH ROW WHEN (NEW.reverses_id IS NOT NULL) EXECUTE FUNCTION ledger_check_reversal()
    """,
    """
    CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE ON transfers
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('ck_transfers_immutable')
    """,
)


def upgrade() -> None:
    for name, body in FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN{body}END$$"
        )
    for trigger in TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}() CASCADE")  # and the triggers that call it
