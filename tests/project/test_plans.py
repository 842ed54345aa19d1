"""Every list on PostgreSQL reads about one page of 50,000 rows, whatever its query."""

import json
import math
import re
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.main import State, create_app
from service.relational.metadata import METADATA
from service.relational.posts.schemas import NESTED
from service.settings import Settings
from service.web.lists.page_numbers import MOST_COUNTED
from service.web.lists.pagination import DEFAULT_LIMIT
from service.web.lists.sorting import COMMITTED
from tests.fixtures.client import client_as, member_caller
from tests.project.large_dataset import (
    FEW,
    MANY,
    ROWS,
    SHARE,
    TABLES,
    LargeDatasetEngine,
    LoggedStatement,
    fill_tables,
    large_dataset_engine,
    numbered,
)
from tests.project.list_endpoints import FILTERS, List, lists_of

pytestmark = [pytest.mark.plans, pytest.mark.xdist_group("plans")]

PAGE = DEFAULT_LIMIT + 1
# Without a filter: some pages, for what is joined, what is not shown, and all one's projects.
MOST_OF_ALL = 10 * PAGE
# No index combines some filters with some orders. PostgreSQL then either sorts the matching rows or
# reads in order until a page is full. If one row in k matches, these read ROWS / k and k * PAGE
# rows. The cheaper of both costs most where they are equal. The limit is twice that, because the
# planner only estimates k. An index for each pair would slow down each write.
MOST_OF_SOME = round(2 * math.sqrt(PAGE * ROWS))
# The owner of the busiest account: the entries of all their accounts are sorted.
MANY_ENTRIES = {("many", "transfers_list"): 2 * ROWS // SHARE + 200}
# Rows are inserted in about the order of created_at, and tags are named in it: a first page passes
# over the older half. The index of emails has no id, so that the newer part may be sorted instead.
NAMED_IN_ORDER = defaultdict[str, list[str]](
    list, tags_list=["name"], users_list=["email"], users_list_emails=["email"]
)
MOST_OF_OLDER = ROWS // 2 + MOST_OF_ALL
# A page by number counts in any order, so that reading a table until then is as good; a caller sees
# two thirds of the posts.
MOST_OF_COUNT = 2 * MOST_COUNTED
# The newest comments of each post, for their sizes and for themselves.
MOST_OF_COMMENTS = MOST_OF_ALL + 3 * PAGE * NESTED
SMALL_TABLES = {"categories"}
# In no list of ``list_endpoints.py``.
UNLISTED = {
    "idempotency_keys", "logins", "service_processes", "artifact_removals", "experiment_tags",
    "runs", "run_params", "run_tags", "run_metrics", "metric_points", "run_datasets", "run_models",
    "datasets", "logged_model_params", "logged_model_tags", "logged_model_metrics",
}  # fmt: skip
CALLERS = {
    "administrator": Caller(UUID(numbered(FEW)), scopes_of("admin")),
    "few": member_caller(numbered(FEW)),
    "many": member_caller(numbered(MANY)),
}


class Work(NamedTuple):
    """The work of PostgreSQL for one statement."""

    read: int
    sorted: int
    scanned: set[str]


@pytest.fixture(scope="module")
def large_dataset(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LargeDatasetEngine]:
    folder = tmp_path_factory.mktemp("large_dataset") / "postgres"
    shutil.copytree(prepared_service_folder / "data" / "postgres", folder)
    with large_dataset_engine(folder) as engine:
        yield engine


@pytest.fixture(scope="module")
def large_dataset_app(
    large_dataset: LargeDatasetEngine, app: FastAPI, settings: Settings
) -> FastAPI:
    large_app = create_app(
        settings.model_copy(update={"database_url": SecretStr(large_dataset.url)})
    )
    large_app.openapi = app.openapi  # type: ignore[method-assign] # the same; each takes a second
    return large_app


@pytest.fixture(scope="module")
async def large_dataset_state(
    large_dataset: LargeDatasetEngine, large_dataset_app: FastAPI
) -> AsyncIterator[State]:
    await fill_tables(large_dataset)
    async with large_dataset_app.router.lifespan_context(large_dataset_app) as state:
        yield state  # type: ignore[misc] # Starlette knows no type for it


def test_every_list_and_every_filter_of_it_is_asked(app: FastAPI) -> None:
    found = {endpoint.name: endpoint.filters for endpoint in lists_of(app)}
    asked = {name: set(values) for name, values in FILTERS.items()}
    wrong = [name for name in found.keys() | asked if found.get(name) != asked.get(name)]
    assert wrong == [], (
        "FILTERS in tests/project/list_endpoints.py needs values for each filter of each list"
    )


def test_every_table_that_grows_is_filled() -> None:
    assert (set(METADATA.tables) - UNLISTED) ^ set(TABLES) == set(), (
        "TABLES in tests/project/large_dataset.py needs rows of each table"
    )


async def test_no_list_reads_much_more_than_it_shows(
    large_dataset: LargeDatasetEngine, large_dataset_app: FastAPI, large_dataset_state: State
) -> None:
    wrong, done, personal = [], set[str](), set[str]()
    async with large_dataset_state["sql"].engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        # Otherwise a repeated statement may get a generic plan, which ignores the values.
        assert await driver.fetchval("SHOW plan_cache_mode") == "force_custom_plan"
        for who, caller in CALLERS.items():
            async with client_as(caller, large_dataset_app, large_dataset_state) as client:
                for endpoint, path, query in asked_of(lists_of(large_dataset_app)):
                    if who == "many" and endpoint.name not in personal:
                        continue  # the same statements for each member
                    offset = large_dataset.log.stat().st_size
                    answer = await client.get(path, params=query)
                    assert answer.status_code in (200, 403, 404), answer.text
                    logged = large_dataset.statements_since(offset)
                    if names_few_or_many(path, query, logged):
                        personal.add(endpoint.name)
                    statements = [statement for statement in logged if str(statement) not in done]
                    done |= set(map(str, statements))
                    for statement in statements:
                        work = await explain_work(driver, statement)
                        allowed = most_allowed(who, endpoint, query, statement)
                        if is_count(statement):
                            work.scanned.clear()
                        if work.scanned or max(work.read, work.sorted) > allowed:
                            wrong.append(f"{who} GET {path} {query}: {work}\n{statement.sql}")
    assert len(done) > 500, "the log has too few statements"
    assert not wrong, "\n\n".join(wrong)


# Prompts are the older part of the registered models, which a list passes over; the numbers of
# versions grow with their age.
OLDER_PART = {
    "registered_models_list": ("created_at", "updated_at"), "model_versions_list": ("number",),
}  # fmt: skip


def is_count(statement: LoggedStatement) -> bool:
    return "count(*)" in statement.sql


def most_allowed(
    who: str, endpoint: List, query: dict[str, Any], statement: LoggedStatement
) -> int:
    """Return how many rows a statement of a list may read or sort."""
    if is_count(statement):
        return MOST_OF_COUNT
    if "created_at__gte" in query and query["sort"] in (COMMITTED, *NAMED_IN_ORDER[endpoint.name]):
        return MOST_OF_OLDER
    if query["sort"] in OLDER_PART.get(endpoint.name, ()):
        return MOST_OF_OLDER
    if "comments" in query.get("expand", ""):
        return MOST_OF_COMMENTS
    filtered = "{" in endpoint.path or (len(query) > 1 and "expand" not in query)
    tied = "," in query["sort"]  # rows of one value of the first field are sorted by the next
    most = MANY_ENTRIES.get((who, endpoint.name), MOST_OF_SOME)
    if endpoint.name == "registered_models_list":  # tags, aliases, versions and a check of each
        return max(most, 2 * MOST_OF_ALL)
    return most if filtered or tied or most > MOST_OF_SOME else MOST_OF_ALL


def asked_of(lists: list[List]) -> Iterator[tuple[List, str, dict[str, Any]]]:
    """Yield all requests; a list below an object is requested for one with few and with many."""
    for endpoint in lists:
        for number in (FEW, MANY) if "{" in endpoint.path else (FEW,):
            path = re.sub(r"\{\w+\}", numbered(number), endpoint.path)
            for query in endpoint.asked():
                yield endpoint, path, query


def names_few_or_many(*parts: Any) -> bool:
    """Return whether a request or its statements name FEW or MANY, perhaps as the caller."""
    return any(numbered(number) in str(parts) for number in (FEW, MANY))


async def explain_work(driver: Any, statement: LoggedStatement) -> Work:
    """Explain the statement on a connection of the service."""
    await driver.execute(f"PREPARE this AS {statement.sql}")
    values = f"({', '.join(statement.values)})" if statement.values else ""
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE this{values}"
    result = await driver.fetchval(explain)
    plan = (json.loads(result) if isinstance(result, str) else result)[0]["Plan"]
    await driver.execute("DEALLOCATE this")
    return work_in(plan)


def work_in(plan: dict[str, Any]) -> Work:
    read, most_sorted, scanned, todo = 0.0, 0.0, set(), [plan]
    while todo:
        node = todo.pop()
        below = node.get("Plans", [])
        todo += below
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in SMALL_TABLES:
            scanned.add(node["Relation Name"])
        if "Relation Name" in node:
            read += rows_of(node)
        elif node["Node Type"] == "Bitmap Index Scan":
            read += rows_of(node) / 10  # places of rows, thousands of them on a page
        elif "Sort" in node["Node Type"]:
            most_sorted = max(most_sorted, sum(map(rows_of, below)))
    return Work(round(read), round(most_sorted), scanned)


def rows_of(node: dict[str, Any]) -> float:
    """Return the rows that the node returned or removed, in all its loops."""
    kinds = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return float(node["Actual Loops"] * sum(node.get(kind, 0) for kind in kinds))


async def test_the_statements_of_a_list_do_not_grow_with_the_page(
    large_dataset: LargeDatasetEngine, large_dataset_app: FastAPI, large_dataset_state: State
) -> None:
    caller = Caller(UUID(numbered(MANY)), scopes_of("admin"))
    async with client_as(caller, large_dataset_app, large_dataset_state) as client:
        for _, path, query in asked_of(lists_of(large_dataset_app)):
            if numbered(FEW) in path or (len(query) > 1 and "expand" not in query):
                continue
            counts = {}
            for limit in (1, 100):
                offset = large_dataset.log.stat().st_size
                answer = await client.get(path, params={**query, "limit": limit})
                counts[len(answer.json()["items"])] = len(large_dataset.statements_since(offset))
            assert max(counts) > 5, (path, query)
            assert len(set(counts.values())) == 1, (path, query, counts)
