"""A database with 50,000 rows in every table that grows, on an engine of its own.

The test owns the engine and is superuser, so it skips triggers and foreign keys while it fills the
tables. The server logs each statement with its values, whichever path of the service sent it.
"""

import asyncio
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import asyncpg
from typing_extensions import override

from service.relational.metadata import METADATA
from service.stores.embedded import PostgresEngine
from service.stores.embedded.supervisor import ProcessSpec

ROWS = 50_000
# The rows of user, post, product … 8 are every seventh of those that hang on one; 7 has 20.
FEW, MANY, SHARE = 7, 8, 7
_MARK = "\x01"
_STATEMENT = re.compile(r"LOG: +(?:execute [^:]*|statement): ((?:SELECT|WITH)\b.*)", re.DOTALL)
_VALUE = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")


def numbered(n: int) -> str:
    """Return the id of row ``n`` of any table."""
    return f"00000000-0000-7000-8000-{n:012d}"


class LoggedStatement(NamedTuple):
    """A statement and the literals of its parameters."""

    sql: str
    values: list[str]


class LargeDatasetEngine(PostgresEngine):
    """An engine without durability that is fast to fill and logs every statement."""

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        for setting in (
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=512MB",
            "wal_level=minimal",
            "max_wal_senders=0",
            "max_wal_size=4GB",
            "maintenance_work_mem=256MB",
            "autovacuum=off",
            "random_page_cost=1.1",  # as on SSDs; else tables as small as these are scanned
            "max_parallel_maintenance_workers=0",  # three tables are filled at once
            f"log_line_prefix={_MARK}",
        ):
            spec["command"] += ["-c", setting]
        return spec

    @property
    def superuser_url(self) -> str:
        """URL of the superuser for asyncpg."""
        password = (self.folder / "superuser_password").read_text().strip()
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/polystore"

    def statements_since(self, offset: int) -> list[LoggedStatement]:
        """Return the statements after this offset of the log, in order, without the driver's."""
        with self.log.open("rb") as log:
            log.seek(offset)
            entries = log.read().decode().split(_MARK)[1:]
        statements = []
        for entry, detail in pairwise([*entries, ""]):
            found = _STATEMENT.fullmatch(entry.strip())
            if found and "pg_catalog" not in found[1]:
                values = _VALUE.findall(detail) if detail.startswith("DETAIL:") else []
                statements.append(LoggedStatement(found[1], values))
        return statements


@contextmanager
def large_dataset_engine(folder: Path) -> Iterator[LargeDatasetEngine]:
    """Run the engine of a migrated folder; `fill_tables` fills it."""
    engine = LargeDatasetEngine(folder)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


async def fill_tables(engine: LargeDatasetEngine) -> None:
    """Fill and analyze every table; three tables at a time."""
    superuser = await asyncpg.connect(engine.superuser_url)
    for table in reversed(METADATA.sorted_tables):
        await superuser.execute(f"ALTER TABLE {table.name} SET UNLOGGED")
        if "search" in table.c:
            await superuser.execute(
                f"ALTER TABLE {table.name} ENABLE ALWAYS TRIGGER {table.name}_search"
            )
    todo = iter(TABLES.items())

    async def fill() -> None:
        connection = await asyncpg.connect(engine.superuser_url)
        try:
            await connection.execute("SET session_replication_role = replica")  # no triggers
            await connection.execute("SET default_statistics_target = 350")  # all are read
            for table, statements in todo:
                await _fill(connection, table, statements)
                await connection.execute(f"VACUUM ANALYZE {table}")
        finally:
            await connection.close()

    await asyncio.gather(*(fill() for _ in range(3)))
    await superuser.execute("ALTER ROLE polystore SET log_statement = 'all'")
    await superuser.close()


async def _fill(connection: asyncpg.Connection, table: str, statements: Iterable[str]) -> None:
    indexes = await connection.fetch(_INDEXES, table)
    async with connection.transaction():
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['name']}")
        for statement in statements:
            await connection.execute(statement)
        for index in indexes:
            await connection.execute(index["definition"])


# Built once at the end, which is far quicker than row by row.
_INDEXES = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index WHERE indrelid = $1::text::regclass
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""


def _id(number: str) -> str:
    return f"('00000000-0000-7000-8000-' || lpad(({number})::text, 12, '0'))::uuid"


# 100 rows a transaction, all older than those that fill the tables.
_XID = "(1 + n / 100)::text::xid8"


def _rows(table: str, columns: dict[str, str], source: str = "") -> str:
    """Return an INSERT of one row for each ``n``."""
    source = source or f"generate_series(1, {ROWS}) AS n"
    if "created_xid" in METADATA.tables[table].c:
        columns = {**columns, "created_xid": _XID}
    names, values = ", ".join(columns), ", ".join(columns.values())
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {source}"  # noqa: S608 - ours


# One in SHARE belongs to MANY; of the rest each of the first 2,501 has about 17, FEW among them.
_GROUPS = ROWS // 20 + 1
# One in so many is neither rare nor common: as many rows to sort as to walk for a page.
_BETWEEN = 31
_EACH = f"1 + (n - 1) % {_GROUPS}"
_OF = _id(f"CASE WHEN n % {SHARE} = 0 THEN {MANY} ELSE {_EACH} END")
_OF_NEXT = _id(f"CASE WHEN n % {SHARE} = 0 THEN {MANY} ELSE 1 + n % {_GROUPS} END")
# One a minute; row 25,000 at this time.
HALFWAY = "2026-01-01T00:00:00Z"
_WHEN = f"timestamptz '{HALFWAY}' + (n - {ROWS // 2}) * interval '1 minute'"
_ROW = {"id": _id("n"), "created_at": _WHEN}


def _rare(about: str, rare: str, common: str, other: str = "") -> str:
    """Return SQL for ``rare`` once in 5,000 rows, ``other`` once in 31, else ``common``.

    ``about`` is hashed with the row's number, so that the columns are independent of each other.
    """
    chance = f"(hashtext('{about}' || n) & 2147483647) % 5000"
    between = f"WHEN {chance} < {5000 // _BETWEEN} THEN {other}" if other else ""
    return f"CASE WHEN {chance} = 7 THEN {rare} {between} ELSE {common} END"


TABLES: dict[str, Iterable[str]] = {
    "users": [
        _rows(
            "users",
            {
                **_ROW,
                "username": "substr(md5(n::text), 1, 8) || n",
                "email": "'user' || n || '@example.com'",
                "name": _rare("name", "'Seldom ' || n", "'Name ' || n % 3000", "'Grace Hopper'"),
                "age": _rare("age", "149", "20 + n % 60", "18"),
                "city": _rare("city", "'Nowhere'", "'London'", "'Paris'"),
                "status": _rare("status", "'suspended'", "'active'", "'pending'"),
                "role": _rare("role", "'admin'", "'member'", "'editor'"),
                "is_active": _rare("is_active", "false", "true"),
                "deleted_at": "CASE WHEN n % 250 = 9 THEN now() END",
            },
        )
    ],
    "tags": [_rows("tags", {**_ROW, "name": "'tag' || n"})],
    "posts": [
        _rows(
            "posts",
            {
                **_ROW,
                "author_id": _OF,
                "title": "'Title ' || n",
                "slug": "'title-' || n",
                "content": "'everywhere ' || "
                + _rare("words", "'seldom'", "'often'", "'sometimes'"),
                "published": f"n % {_BETWEEN} <> 3",
                "published_at": f"CASE WHEN n % {_BETWEEN} <> 3 THEN {_WHEN} END",
                "views": "n % 977",
            },
        )
    ],
    # Tag 8 is on half of the posts, tag 7 on 20, each other on one.
    "post_tags": [
        _rows(
            "post_tags",
            {
                "post_id": _id("n"),
                "tag_id": _id(
                    f"CASE WHEN n % 2 = 0 THEN {MANY} WHEN n % 2500 = 7 THEN {FEW} ELSE n END"
                ),
            },
        )
    ],
    "comments": [
        _rows("comments", {**_ROW, "post_id": _OF, "author_id": _id("n"), "content": "'Well'"})
    ],
    # 1,000 of them; all but one hang below 1, in two levels.
    "categories": [
        _rows(
            "categories",
            {
                **_ROW,
                "name": "'Category ' || n",
                "parent_id": _id("CASE WHEN n <= 11 THEN 1 ELSE 2 + n % 10 END"),
            },
            "generate_series(2, 1000) AS n",
        ),
        _rows("categories", {**_ROW, "name": "'All'"}, "generate_series(1, 1) AS n"),
    ],
    "products": [
        _rows(
            "products",
            {
                **_ROW,
                "sku": "'S-' || n",
                "name": "substr(md5(n::text), 1, 8) || n",
                "description": "'everywhere ' || "
                + _rare("words", "'seldom'", "'often'", "'sometimes'"),
                "price": _rare("price", "9999", "n % 500", "0.01"),
                "currency": _rare("currency", "'XAU'", "'EUR'", "'USD'"),
                "stock": _rare("stock", "0", "5"),
                "category_id": _id("1 + (hashtext('category' || n) & 2147483647) % 1000"),
                "deleted_at": "CASE WHEN n % 250 = 9 THEN now() END",
            },
        )
    ],
    "stock_movements": [
        _rows(
            "stock_movements",
            {**_ROW, "product_id": _OF, "change": "1", "stock_after": "1", "reason": "'received'"},
        )
    ],
    "orders": [
        _rows(
            "orders",
            {
                **_ROW,
                "user_id": _OF,
                "state": "CASE WHEN n % 4999 = 7 THEN 'cancelled'"
                f" WHEN n % {_BETWEEN} = 3 THEN 'paid' ELSE 'placed' END",
                "currency": "'EUR'",
                "total": "1",
                "paid_at": f"CASE WHEN n % 4999 <> 7 AND n % {_BETWEEN} = 3 THEN now() END",
                "cancelled_at": "CASE WHEN n % 4999 = 7 THEN now() END",
            },
        )
    ],
    "order_lines": [
        _rows(
            "order_lines",
            {
                "order_id": _id("n"),
                "place": "0",
                "product_id": _id("n"),
                "sku": "'S'",
                "name": "'Thing'",
                "quantity": "1",
                "price": "1",
            },
        )
    ],
    "accounts": [
        _rows(
            "accounts", {**_ROW, "owner_id": _id(_EACH), "name": "'Savings'", "currency": "'EUR'"}
        )
    ],
    # Account 8, one of some 20 of user 8, gets every seventh.
    "transfers": [
        _rows(
            "transfers",
            {
                **_ROW,
                "from_account_id": _id("n"),
                "to_account_id": _OF_NEXT,
                "amount": "1",
                "currency": "'EUR'",
                "description": "''",
                "created_by": _OF,
            },
        )
    ],
    "entries": [
        _rows(
            "entries",
            {**_ROW, "transfer_id": _id("n"), **end},
        )
        for end in (
            {"account_id": _id("n"), "amount": "-1"},
            {"id": _id(f"{ROWS} + n"), "account_id": _OF_NEXT, "amount": "1"},
        )
    ],
    "projects": [
        _rows(
            "projects",
            {
                **_ROW,
                "name": "'Project ' || n",
                "created_by": _OF,
                "deleted_at": "CASE WHEN n % 250 = 9 THEN now() END",
            },
        )
    ],
    # Every seventh in project 8, another seventh in a project each; the others are of all.
    "experiments": [
        _rows(
            "experiments",
            {
                **_ROW,
                "name": "'experiment ' || n",
                "project_id": f"CASE n % {SHARE} WHEN 0 THEN {_id(str(MANY))} "
                f"WHEN 1 THEN {_id('n')} END",
                "deleted_at": "CASE WHEN n % 250 = 9 THEN now() END",
            },
        )
    ],
    "logged_models": [
        _rows(
            "logged_models",
            {
                **_ROW,
                "experiment_id": _OF,
                "name": "'model ' || n",
                "status": "'READY'",
                "deleted_at": "CASE WHEN n % 250 = 9 THEN now() END",
            },
        )
    ],
    # 7,000 more in project 8, and user 8 in some 200 projects more: nobody is in that many.
    "project_members": [
        _rows(
            "project_members",
            {**_ROW, "project_id": _id("n"), "user_id": _id(_EACH), "role": "'owner'"},
        ),
        *(
            _rows(
                "project_members",
                {
                    "id": "gen_random_uuid()",
                    "created_at": _WHEN,
                    "project_id": project,
                    "user_id": user,
                    "role": "'viewer'",
                },
                f"generate_series({step}, {ROWS}, {step}) AS n WHERE {_EACH} <> {MANY}",
            )
            for project, user, step in (
                (_id(str(MANY)), _id("n"), SHARE),
                (_id("n"), _id(str(MANY)), ROWS // 200),
            )
        ),
    ],
    # Into project 8 every seventh; to the email of user 8 every seventh of another kind.
    "project_invitations": [
        _rows(
            "project_invitations",
            {
                **_ROW,
                "project_id": _id(
                    f"CASE n % {SHARE} WHEN 0 THEN {MANY} WHEN 1 THEN n ELSE 1 + n % {_GROUPS} END"
                ),
                "email": f"CASE WHEN n % {SHARE} = 1 THEN 'USER{MANY}' ELSE 'user' || n END"
                " || '@example.com'",
                "role": "'member'",
                "invited_by": _id("n"),
                "expires_at": "now() + interval '1 day'",
                "declined_at": "CASE WHEN n % 3 = 0 THEN now() END",
            },
        )
    ],
    # One in SHARE is of project 8, half of the others of none.
    "registered_models": [
        _rows(
            "registered_models",
            {
                **_ROW,
                "name": "'model-' || n",
                "project_id": f"CASE WHEN n % 2 = 0 OR n % {SHARE} = 0 THEN {_OF} END",
                "last_number": "1",
            },
        )
    ],
    "registered_model_tags": [
        _rows(
            "registered_model_tags",
            {
                "model_id": _id("n"),
                "key": _rare("kind", "'mlflow.prompt.is_prompt'", "'team'"),
                "value": _rare("kind", "'true'", _rare("team", "'seldom'", "'often'")),
            },
        )
    ],
    # Model 8 has one in SHARE of all versions.
    "model_versions": [
        _rows(
            "model_versions",
            {
                **_ROW,
                "model_id": _OF,
                "number": "n",
                "stage": _rare("stage", "'Archived'", "'Production'", "'Staging'"),
                "source": "'s3://bucket/' || n",
                "location": "'s3://bucket/' || n",
                "run_id": "'run-' || n",
            },
        )
    ],
    "model_version_tags": [
        _rows("model_version_tags", {"version_id": _id("n"), "key": "'auc'", "value": "n % 100"})
    ],
    "model_aliases": [
        _rows("model_aliases", {"model_id": _OF, "alias": "'alias-' || n", "number": "n"})
    ],
    "api_keys": [
        _rows(
            "api_keys",
            {
                **_ROW,
                "user_id": _OF,
                "name": "'k'",
                "secret_hash": "''",
                "scopes": "'{items:read}'",
            },
        )
    ],
    "audit_events": [
        _rows(
            "audit_events",
            {
                **_ROW,
                "act": _rare("act", "'token_reused'", "'login'", "'key_created'"),
                "user_id": _OF,
                "subject_id": _OF_NEXT,
                "request_id": "''",
                "details": "'{}'",
            },
        )
    ],
}
