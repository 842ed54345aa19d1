"""Measure how much slower page 1,000 of a list is than page 1, by cursor and by the last offset.

    python -m benchmarks.growth --rounds 10 --seconds 0.5 [--json]

Lists of 200,000 users and posts over HTTP. One client requests first page, page 1,000, first page,
… by turns within one run, so that no request waits for another. The target is a ratio below 1.5.
"""

import asyncio
import statistics
from functools import partial
from typing import Any

import asyncpg

from benchmarks.command_line import option_parser, print_rows
from benchmarks.load_generator import http_request, run_load
from benchmarks.running_service import RunningService, running_service

ROWS, PAGE_SIZE, AIM = 200_000, 50, 1.5
FAR_PAGE, MAX_OFFSET, MAX_LIMIT = 1_000, 10_000, 200
LISTS = (
    ("/users", "-created_at"),
    ("/users", "username"),
    ("/posts", "-created_at"),
    ("/posts", "-views"),
)
ID = "('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid"
CREATED_AT = f"now() - ({ROWS} - n) * interval '1 minute'"
SEED = (
    f"""
    INSERT INTO users (id, username, email, name, city, created_at)
    SELECT {ID}, 'user' || n, 'user' || n || '@example.com', 'Name ' || n, 'London', {CREATED_AT}
    FROM generate_series(1, {ROWS}) AS n
    """,  # noqa: S608
    f"""
    INSERT INTO posts (id, author_id, title, slug, content, published, published_at, views,
                       created_at)
    SELECT {ID}, {ID}, 'Title ' || n, 'title-' || n, repeat('A sentence of the post. ', 10),
           true, now(), n % 977, {CREATED_AT}
    FROM generate_series(1, {ROWS}) AS n
    """,  # noqa: S608
    "VACUUM ANALYZE users",
    "VACUUM ANALYZE posts",
)


async def seed(database_url: str) -> None:
    """Insert the rows, on a connection without the service's statement timeout."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for statement in SEED:
        await connection.execute(statement)
    await connection.close()


def cursor_parameter(service: RunningService, address: str, page: int) -> str:
    """Return ``&cursor=…`` of the page, read in pages of up to 200 items."""
    position, parameter = 0, ""
    with service.client() as client:
        while position < (page - 1) * PAGE_SIZE:
            limit = min(MAX_LIMIT, (page - 1) * PAGE_SIZE - position)
            response = client.get(f"{address}&limit={limit}{parameter}").raise_for_status()
            parameter = f"&cursor={response.json()['page']['next_cursor']}"
            position += limit
    return parameter


def compare(service: RunningService, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Return each list's medians, and the median of the ratios within a round."""
    rows = []
    for path, sort in LISTS:
        address = f"{path}?sort={sort}"
        first = f"/v1{address}&limit={PAGE_SIZE}"
        addresses = {
            "page_1_ms": first,
            "page_1000_ms": first + cursor_parameter(service, address, FAR_PAGE),
            "offset_10000_ms": f"{first}&offset={MAX_OFFSET}",
        }
        times: dict[str, list[float]] = {name: [] for name in addresses}
        for _ in range(rounds):
            for name, page in addresses.items():
                get = partial(http_request, "GET", page, **service.headers)
                durations = run_load(service.port, get, 1, seconds)
                times[name].append(statistics.median(durations) * 1000)
        pairs = zip(times["page_1000_ms"], times["page_1_ms"], strict=True)
        ratio = statistics.median(far / near for far, near in pairs)
        medians = {name: statistics.median(values) for name, values in times.items()}
        rows.append({"what": f"GET /v1{address}", **medians, "ratio": ratio, "aim": AIM})
    return rows


def main() -> None:
    options = option_parser(__doc__, rounds=10, seconds=0.5).parse_args()
    with running_service() as service:
        asyncio.run(seed(service.database_url))
        rows = compare(service, options.rounds, options.seconds)
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
