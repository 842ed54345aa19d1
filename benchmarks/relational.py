"""Users and posts against the way the tutorials write them, in turns on the same database.

    python -m benchmarks.relational --rounds 5 --seconds 3 [--json]

Ours answers with an API key, checks of access, limits and every header; the other with none.
"""

import argparse
import asyncio
import json
import socket
import statistics
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2

from benchmarks.load import http, load
from benchmarks.started import Started, beside, service

USERS, POSTS, CLIENTS = 1000, 2000, 8
AIMS = {"GET /v1/users/{id}": 2.2, "GET /v1/posts, 50 with author": 3.5, "POST /v1/users": 4.0}


def seed(started: Started) -> str:
    """Fills the tables; the id of a user."""
    headers = {"Authorization": f"Bearer {started.key}"}
    with httpx2.Client(base_url=started.url, headers=headers, timeout=60) as client:
        rows = [
            {"username": f"u{n}", "email": f"u{n}@x.example", "name": f"Name {n}"}
            for n in range(USERS)
        ]
        users = client.post("/users/bulk", json={"items": rows}).raise_for_status().json()["items"]
        for number in range(POSTS):
            body = {
                "author_id": users[number % USERS]["id"],
                "title": f"Post {number}",
                "content": "What there is to say. " * 10,
                "published": True,
            }
            client.post("/posts", json=body).raise_for_status()
        return str(users[7]["id"])


def new_user() -> Callable[[str], bytes]:
    numbers, run = count(), uuid4().hex[:8]

    def body(kind: str) -> bytes:
        name = f"{kind}{run}{next(numbers)}"
        return json.dumps({"username": name, "email": f"{name}@x.example", "name": "New"}).encode()

    return body


def compare(started: Started, port: int, user_id: str, rounds: int, seconds: float) -> list[Any]:
    key = {"Authorization": f"Bearer {started.key}"}
    body = new_user()
    kinds: dict[str, tuple[Callable[[], bytes], Callable[[], bytes], bytes]] = {
        "GET /v1/users/{id}": (
            lambda: http("GET", f"/v1/users/{user_id}", **key),
            lambda: http("GET", f"/v1/users/{user_id}"),
            b"200",
        ),
        "GET /v1/posts, 50 with author": (
            lambda: http("GET", "/v1/posts?limit=50&expand=author", **key),
            lambda: http("GET", "/v1/posts?limit=50"),
            b"200",
        ),
        "POST /v1/users": (
            lambda: http("POST", "/v1/users", body("a"), **key),
            lambda: http("POST", "/v1/users", body("b")),
            b"201",
        ),
    }
    found = []
    for name, (ours, theirs, status) in kinds.items():
        rates: list[tuple[float, float]] = []
        for _ in range(rounds):
            one = asyncio.run(load(started.port, ours, CLIENTS, seconds, status))
            other = asyncio.run(load(port, theirs, CLIENTS, seconds, status))
            rates.append((len(one) / seconds, len(other) / seconds))
        found.append(
            {
                "what": name,
                "ours_per_second": statistics.median(rate for rate, _ in rates),
                "tutorial_per_second": statistics.median(rate for _, rate in rates),
                "ratio": statistics.median(one / other for one, other in rates),
                "aim": AIMS[name],
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Ours against the tutorials' way.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    told = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        service() as started,
        beside("benchmarks.tutorial:app", port, DATABASE_URL=started.database_url),
    ):
        found = compare(started, port, seed(started), told.rounds, told.seconds)
    if told.json:
        print(json.dumps(found))
        return
    for each in found:
        print(
            f"{each['what']:32} {each['ours_per_second']:8.0f}/s  tutorial "
            f"{each['tutorial_per_second']:8.0f}/s  ratio {each['ratio']:.2f} (aim {each['aim']})"
        )


if __name__ == "__main__":
    main()
