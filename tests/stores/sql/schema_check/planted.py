"""Kinds of drift: for each, the difference that must be found and the statements that plant it."""

# Objects of kinds that no migration makes today.
SAMPLES = (
    "CREATE TYPE mood AS ENUM ('bad', 'fair', 'good')",
    "CREATE DOMAIN positive AS integer CONSTRAINT ck_positive CHECK (VALUE > 0)",
    "CREATE SEQUENCE numbers INCREMENT BY 2",
    "CREATE SEQUENCE codes",
    (
        'CREATE TABLE samples (id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT "pk of samples"'
        ' PRIMARY KEY, number serial, mood mood, label text COLLATE "C", size integer,'
        " doubled integer GENERATED ALWAYS AS (size * 2) STORED,"
        " tripled integer GENERATED ALWAYS AS (size * 3) STORED,"
        " span int4range, CONSTRAINT ex_samples_span EXCLUDE USING gist (span WITH &&))"
    ),
    "CREATE INDEX ix_samples_tripled ON samples (tripled)",
    "CREATE STATISTICS st_samples_mood ON number, size FROM samples",
    "CREATE STATISTICS st_samples_size ON doubled, size FROM samples",
    "CREATE RULE keep AS ON DELETE TO samples DO INSTEAD NOTHING",
    "CREATE RULE watch AS ON UPDATE TO samples DO ALSO NOTIFY samples",
    "ALTER TABLE samples ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY reading ON samples FOR SELECT USING (number > 0)",
    "CREATE POLICY writing ON samples FOR INSERT TO polystore WITH CHECK (number > 0)",
    "CREATE VIEW good_samples AS SELECT id, number FROM samples WHERE mood = 'good'",
    "CREATE VIEW bad_samples AS SELECT id, number FROM samples WHERE mood = 'bad'",
    "CREATE FUNCTION half(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n / 2'",
    "CREATE FUNCTION third(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n / 3'",
    "CREATE FUNCTION fourth(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n / 4'",
    "CREATE FUNCTION fifth(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n / 5'",
)
TABLES_AND_COLUMNS = {
    "missing table comments": "DROP TABLE comments",
    "changed table stock_movements kind": "ALTER TABLE stock_movements RENAME TO kept;"
    "ALTER INDEX pk_stock_movements RENAME TO kept_1;"
    "ALTER INDEX ix_stock_movements_product_id RENAME TO kept_2;"
    "ALTER INDEX ix_stock_movements_user_id RENAME TO kept_3;"
    "CREATE VIEW stock_movements AS SELECT * FROM kept",
    "changed table idempotency_keys persistence": "ALTER TABLE idempotency_keys SET UNLOGGED",
    "changed table samples row_security": "ALTER TABLE samples DISABLE ROW LEVEL SECURITY",
    "changed table tags row_security_of_owner": "ALTER TABLE tags FORCE ROW LEVEL SECURITY",
    "changed table logins replica_identity": "ALTER TABLE logins REPLICA IDENTITY FULL",
    "changed table logins options": "ALTER TABLE logins SET (fillfactor = 70)",
    "missing view good_samples": "DROP VIEW good_samples",
    "changed view bad_samples definition": "CREATE OR REPLACE VIEW bad_samples AS "
    "SELECT id, number FROM samples",
    "missing column tags.version": "ALTER TABLE tags DROP version",
    "missing column logins.expires_at": "ALTER TABLE logins DROP expires_at",
    "missing index ix_logins_expires_at": "",  # goes with the column
    "extra column tags.nickname": "ALTER TABLE tags ADD nickname text",
    "changed column idempotency_keys.key type": "ALTER TABLE idempotency_keys ALTER key TYPE text",
    "changed column orders.state type": "ALTER TABLE orders ALTER state TYPE text",
    "changed column samples.label collation": "ALTER TABLE samples ALTER label TYPE text",
    "changed column users.email nullability": "ALTER TABLE users ALTER email DROP NOT NULL",
    "changed column users.deleted_at nullability": ""
    "ALTER TABLE users ALTER deleted_at SET NOT NULL",
    "invalid column users.status nullability": "ALTER TABLE users ALTER status DROP NOT NULL;"
    "ALTER TABLE users ADD CONSTRAINT later NOT NULL status NOT VALID",
    "changed column users.is_active default": "ALTER TABLE users ALTER is_active SET DEFAULT false",
    "changed column users.version default": "ALTER TABLE users ALTER version DROP DEFAULT",
    "changed column samples.doubled expression": "ALTER TABLE samples ALTER doubled "
    "SET EXPRESSION AS (size * 4)",
    "changed column samples.tripled generated": "ALTER TABLE samples ALTER tripled DROP EXPRESSION",
    "changed column samples.id identity": "ALTER TABLE samples ALTER id DROP IDENTITY",
    "changed column posts.search statistics": "ALTER TABLE posts ALTER search SET STATISTICS 9",
}
CONSTRAINTS_AND_INDEXES = {
    "missing constraint alembic_version_pkc": "ALTER TABLE alembic_version "
    "DROP CONSTRAINT alembic_version_pkc",
    "missing constraint pk_post_tags": "ALTER TABLE post_tags DROP CONSTRAINT pk_post_tags",
    "missing constraint ck_users_age": "ALTER TABLE users DROP CONSTRAINT ck_users_age",
    "missing constraint fk_logins_user_id": "ALTER TABLE logins DROP CONSTRAINT fk_logins_user_id",
    "missing constraint ex_samples_span": "ALTER TABLE samples DROP CONSTRAINT ex_samples_span",
    "extra constraint ck_users_bio": "ALTER TABLE users ADD CONSTRAINT ck_users_bio "
    "CHECK (bio <> '')",
    "extra constraint uq_users_bio": "ALTER TABLE users ADD CONSTRAINT uq_users_bio UNIQUE (bio)",
    "changed constraint ck_posts_views definition": "ALTER TABLE posts "
    "DROP CONSTRAINT ck_posts_views, ADD CONSTRAINT ck_posts_views CHECK (views >= -1)",
    "changed constraint fk_posts_author_id definition": "ALTER TABLE posts "
    "ALTER CONSTRAINT fk_posts_author_id DEFERRABLE",
    "changed constraint fk_comments_author_id definition": "ALTER TABLE comments "
    "ALTER CONSTRAINT fk_comments_author_id NOT ENFORCED",
    "invalid constraint ck_users_status validity": "ALTER TABLE users "
    "DROP CONSTRAINT ck_users_status, ADD CONSTRAINT ck_users_status CHECK "
    "(status IN ('active', 'inactive', 'pending', 'suspended')) NOT VALID",
    "disabled constraint fk_api_keys_user_id enabled": "ALTER TABLE api_keys DISABLE TRIGGER ALL",
    "missing index ix_users_age": "DROP INDEX ix_users_age",
    "extra index ix_users_bio": "CREATE INDEX ix_users_bio ON users (bio)",
    "changed index ix_users_status definition": "DROP INDEX ix_users_status;"
    "CREATE INDEX ix_users_status ON users (status)",
    "changed index uq_users_email definition": "DROP INDEX uq_users_email;"
    "CREATE INDEX uq_users_email ON users (lower(email))",
    "changed index ix_users_search options": "ALTER INDEX ix_users_search SET (fastupdate = off)",
    "changed index pk_tags options": "ALTER INDEX pk_tags SET (fillfactor = 60)",
    "invalid index ix_posts_author_id validity": "UPDATE pg_index SET indisready = false, "
    "indisvalid = false WHERE indexrelid = 'ix_posts_author_id'::regclass",
    "missing statistics st_samples_mood": "DROP STATISTICS st_samples_mood",
    "extra statistics st_users": "CREATE STATISTICS st_users ON age, city FROM users",
    "changed statistics st_samples_size definition": "DROP STATISTICS st_samples_size;"
    "CREATE STATISTICS st_samples_size (ndistinct) ON doubled, size FROM samples",
}
CODE = {
    "missing trigger entries_stay": "DROP TRIGGER entries_stay ON entries",
    "extra trigger shout": "CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW "
    "EXECUTE FUNCTION ledger_refuse('users')",
    "changed trigger accounts_open_empty definition": "CREATE OR REPLACE TRIGGER "
    "accounts_open_empty BEFORE INSERT ON accounts FOR EACH ROW "
    "EXECUTE FUNCTION ledger_refuse('other')",
    "disabled trigger transfers_stay enabled": "ALTER TABLE transfers "
    "DISABLE TRIGGER transfers_stay",
    "disabled trigger entries_book enabled": "ALTER TABLE entries "
    "ENABLE REPLICA TRIGGER entries_book",
    "changed trigger transfers_reversal enabled": "ALTER TABLE transfers "
    "ENABLE ALWAYS TRIGGER transfers_reversal",
    "missing function keep_project_owner()": "DROP FUNCTION keep_project_owner CASCADE",
    "missing trigger project_members_keep_owner": "",  # goes with the function
    "missing trigger projects_begin_with_owner": "",
    "changed function ledger_refuse() definition": "CREATE OR REPLACE FUNCTION ledger_refuse() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "changed function half(n integer) definition": "ALTER FUNCTION half SECURITY DEFINER",
    "changed function third(n integer) definition": "ALTER FUNCTION third VOLATILE",
    "changed function fourth(n integer) definition": "ALTER FUNCTION fourth SET work_mem = '1MB'",
    "changed function fifth(n integer) result": "DROP FUNCTION fifth; CREATE FUNCTION fifth(n int) "
    "RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT n / 5'",
    "changed enum mood definition": "ALTER TYPE mood RENAME TO old; CREATE TYPE mood AS ENUM "
    "('bad', 'good'); DROP VIEW good_samples, bad_samples; ALTER TABLE samples ALTER mood "
    "TYPE mood USING 'bad'; DROP TYPE old",
    "missing view good_samples": "",  # goes with the type
    "missing view bad_samples": "",
    "missing domain positive": "DROP DOMAIN positive",
    "missing sequence codes": "DROP SEQUENCE codes",
    "changed sequence numbers definition": "ALTER SEQUENCE numbers INCREMENT BY 1",
    "changed sequence samples_number_seq of_column": "ALTER SEQUENCE samples_number_seq "
    "OWNED BY NONE",
    "missing rule keep": "DROP RULE keep ON samples",
    "disabled rule watch enabled": "ALTER TABLE samples DISABLE RULE watch",
    "extra rule loud": "CREATE RULE loud AS ON INSERT TO users DO ALSO NOTIFY users",
    "missing policy reading": "DROP POLICY reading ON samples",
    "changed policy writing definition": "ALTER POLICY writing ON samples WITH CHECK (number > 1)",
    "extra policy all_users": "CREATE POLICY all_users ON users USING (true)",
}
BATCHES = {
    "tables_and_columns": TABLES_AND_COLUMNS,
    "constraints_and_indexes": CONSTRAINTS_AND_INDEXES,
    "code": CODE,
}
# Not one of them is drift.
FOREIGN = {
    "extension vector": "CREATE EXTENSION vector",
    "schema reporting": "CREATE SCHEMA reporting; CREATE TABLE reporting.users (id uuid)",
    "event trigger watch_ddl": "CREATE FUNCTION reporting.watch() RETURNS event_trigger "
    "LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER watch_ddl ON sql_drop "
    "EXECUTE FUNCTION reporting.watch()",
    "table visits": "CREATE TABLE visits (id serial PRIMARY KEY, user_id uuid REFERENCES users, "
    "place vector(3), CHECK (id > 0)); CREATE INDEX ON visits (user_id);"
    "CREATE STATISTICS ON id, user_id FROM visits; ALTER TABLE visits DISABLE TRIGGER ALL",
    "function touch()": "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NEW; END'; CREATE TRIGGER touching BEFORE UPDATE ON visits FOR EACH ROW "
    "EXECUTE FUNCTION touch()",
    "function half(n numeric)": "CREATE FUNCTION half(n numeric) RETURNS numeric LANGUAGE sql "
    "AS 'SELECT n / 2'",
    "aggregate most(integer)": "CREATE AGGREGATE most(integer) "
    "(SFUNC = int4larger, STYPE = integer)",
    "view active_users": "CREATE VIEW active_users AS SELECT id FROM users WHERE is_active",
    "materialized view ages": "CREATE MATERIALIZED VIEW ages AS SELECT age FROM users;"
    "CREATE INDEX ON ages (age)",
    "sequence tickets": "CREATE SEQUENCE tickets",
    "enum colour": "CREATE TYPE colour AS ENUM ('red')",
    "domain weight": "CREATE DOMAIN weight AS numeric CHECK (VALUE > 0)",
    "type pair": "CREATE TYPE pair AS (a integer, b integer)",
    # An extension's own trigger on a table of ours.
    "trigger guarded": "CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN RETURN NEW; END'; ALTER EXTENSION vector ADD FUNCTION guard();"
    "CREATE TRIGGER guarded BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION guard()",
}
