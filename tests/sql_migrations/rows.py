"""Rows for every table, and reading all rows of a database."""

import asyncio
import json
from typing import Any

import asyncpg

from service.relational.experiments.tables import DEFAULT_ID
from service.relational.users.tables import TOMBSTONE_ID
from tests.fixtures.stores import connected
from tests.sql_migrations.one_connection import OneConnection

Rows = dict[str, list[dict[str, Any]]]

ADA, BEN = "00000000-0000-7000-8000-0000000000a1", "00000000-0000-7000-8000-0000000000a2"
ONE, TWO, THREE = (f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))

# With the columns of the table's first migration, in the order that foreign keys need. Rows that
# triggers require together are neighbours, because all are inserted in one transaction.
ROWS = {
    "idempotency_keys": f"""
        INSERT INTO idempotency_keys (key, fingerprint, status, headers, body)
        VALUES ('{ADA}:cart-1', '\\x0102', 201, '{{"etag": "\\"1\\""}}', '\\x7b7d')
    """,
    "users": f"""
        INSERT INTO users (id, username, email, name, age, city, bio, status, password_hash)
        VALUES ('{ADA}', 'ada', 'Ada@example.com', 'Ada Lovelace', 36, 'London', 'Größe', 'active',
                '$argon2id$…'),
               ('{BEN}', 'ben', 'ben@example.com', NULL, NULL, NULL, NULL, 'suspended', NULL)
    """,
    "tags": f"INSERT INTO tags (id, name) VALUES ('{ONE}', 'Datenbanken'), ('{TWO}', 'motor')",
    "posts": f"""
        INSERT INTO posts (id, author_id, title, slug, content, published, published_at, views)
        VALUES ('{ONE}', '{ADA}', 'Größe', 'groesse', 'Rows here.', true, now(), 7),
               ('{TWO}', '{BEN}', 'Maß', 'mass-2', '', false, NULL, 0)
    """,
    "post_tags": f"INSERT INTO post_tags VALUES ('{ONE}', '{ONE}'), ('{ONE}', '{TWO}')",
    "comments": f"""
        INSERT INTO comments (id, post_id, author_id, content)
        VALUES ('{ONE}', '{ONE}', '{BEN}', 'A comment.')
    """,
    "audit_events": f"""
        INSERT INTO audit_events (id, act, user_id, request_id, details)
        VALUES ('{ONE}', 'login', '{ADA}', 'r-1', '{{"by": "password"}}')
    """,
    "logins": f"""
        INSERT INTO logins (id, user_id, token_hash, scopes, expires_at)
        VALUES ('{ONE}', '{ADA}', '\\x00ff', '{{posts:read,posts:write}}', now() + interval '1 d')
    """,
    "api_keys": f"""
        INSERT INTO api_keys (id, user_id, name, secret_hash, scopes, models)
        VALUES ('{ONE}', '{ADA}', 'scorer', '\\x01', '{{predictions:write}}', '{{churn*}}')
    """,
    "categories": f"""
        INSERT INTO categories (id, name, parent_id)
        VALUES ('{ONE}', 'Kitchen', NULL), ('{TWO}', 'Coffee', '{ONE}')
    """,
    "products": f"""
        INSERT INTO products (id, sku, name, price, currency, stock, category_id)
        VALUES ('{ONE}', 'ESP-1450', 'Espresso machine', 249.00, 'EUR', 58, '{TWO}')
    """,
    "stock_movements": f"""
        INSERT INTO stock_movements (id, product_id, change, stock_after, reason, order_id)
        VALUES ('{ONE}', '{ONE}', 60, 60, 'initial', NULL),
               ('{TWO}', '{ONE}', -2, 58, 'ordered', '{ONE}')
    """,
    "orders": f"""
        INSERT INTO orders (id, user_id, state, currency, total, paid_at)
        VALUES ('{ONE}', '{ADA}', 'paid', 'EUR', 498.00, now())
    """,
    "order_lines": f"""
        INSERT INTO order_lines VALUES
        ('{ONE}', 1, '{ONE}', 'ESP-1450', 'Espresso machine', 2, 249.00)
    """,
    "accounts": f"""
        INSERT INTO accounts (id, owner_id, name, currency, may_overdraw)
        VALUES ('{ONE}', '{ADA}', 'Bank', 'EUR', true), ('{TWO}', '{BEN}', 'Savings', 'EUR', false)
    """,
    "transfers": f"""
        INSERT INTO transfers (id, from_account_id, to_account_id, amount, currency, description,
                               created_by, created_at)
        VALUES ('{ONE}', '{ONE}', '{TWO}', 12.50, 'EUR', 'gift', '{ADA}', '2026-11-20T12:00:00Z')
    """,
    "entries": f"""
        INSERT INTO entries VALUES
        ('{ONE}', '{ONE}', '{ONE}', -12.50, '2026-11-20T12:00:00Z'),
        ('{TWO}', '{ONE}', '{TWO}', 12.50, '2026-11-20T12:00:00Z')
    """,
    "projects": f"""
        INSERT INTO projects (id, name, created_by) VALUES ('{ONE}', 'Compilers', '{ADA}')
    """,
    "project_members": f"""
        INSERT INTO project_members (id, project_id, user_id, role)
        VALUES ('{ONE}', '{ONE}', '{ADA}', 'owner'), ('{TWO}', '{ONE}', '{BEN}', 'viewer')
    """,
    "project_invitations": f"""
        INSERT INTO project_invitations (id, project_id, email, role, invited_by, expires_at)
        VALUES ('{ONE}', '{ONE}', 'jean@example.com', 'viewer', '{ADA}', now() + interval '14 d')
    """,
    "registered_models": f"""
        INSERT INTO registered_models (id, name, description, project_id, last_number)
        VALUES ('{ONE}', 'fraud', 'Größe', '{ONE}', 2), ('{TWO}', 'Fraud', NULL, NULL, 0)
    """,
    "registered_model_tags": f"""
        INSERT INTO registered_model_tags VALUES ('{ONE}', 'team', 'payments')
    """,
    "model_versions": f"""
        INSERT INTO model_versions (id, model_id, number, stage, source, location, run_id)
        VALUES ('{ONE}', '{ONE}', 2, 'Staging', 'models:/a/1', 's3://bucket/a', 'of elsewhere')
    """,
    "model_version_tags": f"INSERT INTO model_version_tags VALUES ('{ONE}', 'auc', '0.9')",
    "model_aliases": f"INSERT INTO model_aliases VALUES ('{ONE}', 'champion', 2)",
    "experiments": f"""
        INSERT INTO experiments (id, name, project_id, goals)
        VALUES ('{ONE}', 'Größe', '{ONE}', '{{"loss": "minimize"}}')
    """,
    "experiment_tags": f"INSERT INTO experiment_tags VALUES ('{ONE}', 'team', 'A')",
    "runs": f"""
        INSERT INTO runs (id, experiment_id, name, user_name, status, started_at)
        VALUES ('{ONE}', '{ONE}', 'calm-owl-7', 'ada', 'RUNNING', '2026-11-20T12:00:00Z')
    """,
    "run_params": f"""
        INSERT INTO run_params (run_id, experiment_id, key, value)
        VALUES ('{ONE}', '{ONE}', 'lr', '0.1')
    """,
    "run_tags": f"""
        INSERT INTO run_tags (run_id, experiment_id, key, value)
        VALUES ('{ONE}', '{ONE}', 'team', 'A')
    """,
    "run_metrics": f"""
        INSERT INTO run_metrics (run_id, experiment_id, key, step, timestamp, value, count, total)
        VALUES ('{ONE}', '{ONE}', 'loss', 1, 1, 'NaN', 0, 0)
    """,
    "metric_points": """
        INSERT INTO metric_points SELECT id, timestamp, step, value FROM run_metrics
    """,
    "artifact_removals": f"""
        INSERT INTO artifact_removals (owner_id, kind, experiment_id)
        VALUES ('{TWO}', 'run', '{ONE}')
    """,
    "logged_models": f"""
        INSERT INTO logged_models (id, experiment_id, name, source_run_id, status)
        VALUES ('{ONE}', '{ONE}', 'Größe', '{ONE}', 'READY')
    """,
    "logged_model_params": f"""
        INSERT INTO logged_model_params (model_id, experiment_id, key, value)
        VALUES ('{ONE}', '{ONE}', 'C', '1.0')
    """,
    "logged_model_tags": f"""
        INSERT INTO logged_model_tags (model_id, experiment_id, key, value)
        VALUES ('{ONE}', '{ONE}', 'team', 'A')
    """,
    "logged_model_metrics": f"""
        INSERT INTO logged_model_metrics (model_id, run_id, experiment_id, key, step, timestamp,
                                          value)
        VALUES ('{ONE}', '{ONE}', '{ONE}', 'loss', 1, 1, 'NaN')
    """,
    "datasets": f"""
        INSERT INTO datasets (id, experiment_id, name, digest, source_type, source)
        VALUES ('{ONE}', '{ONE}', 'iris', 'a1b2', 'local', '{{}}')
    """,
    "run_datasets": f"""
        INSERT INTO run_datasets (run_id, dataset_id, experiment_id, context, tags)
        VALUES ('{ONE}', '{ONE}', '{ONE}', 'training', '{{"mlflow.data.context": "training"}}')
    """,
    "run_models": f"INSERT INTO run_models VALUES ('{ONE}', 'output', '{ONE}', 3)",
    "service_processes": f"""
        INSERT INTO service_processes (id, host, pid, schema_head)
        VALUES ('{ONE}', 'host-1', 7, '202611271200')
    """,
}


def execute(url: str, *statements: str) -> None:
    """Execute the statements in one transaction."""

    async def run() -> None:
        async with connected(url) as connection, connection.transaction():
            for statement in statements:
                await connection.execute(statement)

    asyncio.run(run())


def fetch(url: str, query: str, *values: Any) -> list[asyncpg.Record]:
    """Return the rows of a query."""

    async def run() -> list[asyncpg.Record]:
        async with connected(url) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values)
            return rows

    return asyncio.run(run())


def all_rows(database: OneConnection) -> Rows:
    """Return every row of every table, also of Alembic's own, in a stable order."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    names = [name for (name,) in database.fetch(tables)]
    # Without what triggers derive from other columns.
    row = "to_jsonb(t) - 'search'"
    rows = f"coalesce(jsonb_agg({row} ORDER BY {row}), '[]')::text"
    parts = [f"SELECT '{name}' AS name, {rows} AS rows FROM {name} AS t" for name in names]
    contents = database.fetch(" UNION ALL ".join(parts)) if parts else []
    return {name: json.loads(text) for name, text in contents}


def fill_empty_tables(database: OneConnection) -> None:
    """Insert rows into each empty table, as its columns are at this revision."""
    found = all_rows(database)
    empty = [name for name in found if not _filled(found[name]) and name in ROWS]
    database.execute(*(ROWS[name] for name in ROWS if name in empty))


def changed_rows(before: Rows, after: Rows) -> list[tuple[str, Any]]:
    """Return the differences in the tables and columns that exist before and after."""
    return [
        (table, (old, new))
        for table, rows in before.items()
        if table in after and table != "alembic_version"
        for old, new in _common_columns(_filled(rows), _filled(after[table]))
        if old != new
    ]


def _filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows without the tombstone and Default, which migrations make."""
    return [row for row in rows if row.get("id") not in {str(TOMBSTONE_ID), str(DEFAULT_ID)}]


def _common_columns(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> list[tuple[Any, Any]]:
    if not before or not after:
        return [(before, after)]
    common = before[0].keys() & after[0].keys()
    old, new = (
        sorted(json.dumps({name: row[name] for name in common}, sort_keys=True) for row in rows)
        for rows in (before, after)
    )
    return [(old, new)]
