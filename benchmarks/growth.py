"""What page 1,000 costs against page 1, by cursor, and by offset where that is as far as it goes.

    python -m benchmarks.growth --rounds 10 --seconds 0.5 [--json]

Lists of 200,000 users and posts over HTTP, asked in turns in one run: first page, page 1,000, first
page, … by one client, so that nothing waits for anything else.
"""

import argparse
import asyncio
import json
import statistics
from functools import partial
from typing import Any

import asyncpg
import httpx2

from benchmarks.load import http, load
from benchmarks.started import Started, service

ROWS, PAGE, AIM = 200_000, 50, 1.5
FAR, MAX_OFFSET, MAX_ITEMS = 1_000, 10_000, 200
LISTS = (
    ("/users", "-created_at"),
    ("/users", "username"),
    ("/posts", "-created_at"),
    ("/posts", "-views"),
)
ID = "('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid"
WHEN = f"now() - ({ROWS} - n) * interval '1 minute'"
SEED = (
    f"""
    INSERT INTO users (id, username, email, name, city, created_at)
    SELECT {ID}, 'user' || n, 'user' || n || '@example.com', 'Name ' || n, 'London', {WHEN}
    FROM generate_series(1, {ROWS}) AS n
    """,  # noqa: S608
    f"""
    INSERT INTO posts (id, author_id, title, slug, content, published, published_at, views,
                       created_at)
    SELECT {ID}, {ID}, 'Title ' || n, 'title-' || n, repeat('What there is to say. ', 10),
           true, now(), n % 977, {WHEN}
    FROM generate_series(1, {ROWS}) AS n
    """,  # noqa: S608
    "VACUUM ANALYZE users",
    "VACUUM ANALYZE posts",
)


async def seed(database_url: str) -> None:
    """Set by set; the service's own limit for a statement is not this connection's."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    for statement in SEED:
        await connection.execute(statement)
    await connection.close()


def cursor_of(started: Started, address: str, number: int) -> str:
    """The cursor at which page ``number`` begins, by walking there; the last steps are short."""
    headers = {"Authorization": f"Bearer {started.key}"}
    place, cursor = 0, ""
    with httpx2.Client(base_url=started.url, headers=headers, timeout=30) as client:
        while place < (number - 1) * PAGE:
            step = min(MAX_ITEMS, (number - 1) * PAGE - place)
            answer = client.get(f"{address}&limit={step}{cursor}").raise_for_status()
            cursor = f"&cursor={answer.json()['page']['next_cursor']}"
            place += step
    return cursor


def compare(started: Started, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """For each list the medians, and the median of the ratios of neighbours in time."""
    key = {"Authorization": f"Bearer {started.key}"}
    found = []
    for path, sort in LISTS:
        address = f"{path}?sort={sort}"
        first = f"/v1{address}&limit={PAGE}"
        forms = {
            "page_1_ms": http("GET", first, **key),
            "page_1000_ms": http("GET", first + cursor_of(started, address, FAR), **key),
            "offset_10000_ms": http("GET", f"{first}&offset={MAX_OFFSET}", **key),
        }
        times: dict[str, list[float]] = {form: [] for form in forms}
        for _ in range(rounds):
            for form, request in forms.items():
                taken = asyncio.run(load(started.port, partial(bytes, request), 1, seconds))
                times[form].append(statistics.median(taken) * 1000)
        pairs = zip(times["page_1000_ms"], times["page_1_ms"], strict=True)
        ratio = statistics.median(far / near for far, near in pairs)
        medians = {form: statistics.median(taken) for form, taken in times.items()}
        found.append({"what": f"GET /v1{address}", **medians, "ratio": ratio, "aim": AIM})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Page 1,000 against page 1.")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    with service() as started:
        asyncio.run(seed(started.database_url))
        found = compare(started, told.rounds, told.seconds)
    if told.json:
        print(json.dumps(found))
        return
    for each in found:
        print(
            f"{each['what']:32} page 1 {each['page_1_ms']:6.2f} ms  page 1,000 "
            f"{each['page_1000_ms']:6.2f} ms  ratio {each['ratio']:.2f} (aim < {each['aim']})  "
            f"offset 10,000 {each['offset_10000_ms']:6.2f} ms"
        )


if __name__ == "__main__":
    main()
