"""Measure requests for users and posts as a multiple of the tutorials' way on the same database.

    python -m benchmarks.relational --rounds 5 --seconds 3 [--json]

Both services answer by turns within one run. Ours checks an API key, access and limits and sends
every header; the tutorials' (tutorial_relational.py) checks nothing. The targets (``aim``): a user
2.2 times, a page of posts 3.5 times, a new user 2.5 times the tutorials' rate.
"""

import json
import statistics
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

from benchmarks.command_line import option_parser, print_rows
from benchmarks.load_generator import http_request, run_load
from benchmarks.running_service import RunningService, running_application, running_service

USERS, POSTS, CLIENTS = 1000, 2000, 8
AIMS = {"GET /v1/users/{id}": 2.2, "GET /v1/posts, 50 with author": 3.5, "POST /v1/users": 2.5}


def seed(service: RunningService) -> str:
    """Insert users and posts; return the id of a user."""
    with service.client() as client:
        rows = [
            {"username": f"u{n}", "email": f"u{n}@x.example", "name": f"Name {n}"}
            for n in range(USERS)
        ]
        users = client.post("/users/bulk", json={"items": rows}).raise_for_status().json()["items"]
        for number in range(POSTS):
            body = {
                "author_id": users[number % USERS]["id"],
                "title": f"Post {number}",
                "content": "A sentence of the post. " * 10,
                "published": True,
            }
            client.post("/posts", json=body).raise_for_status()
        return str(users[7]["id"])


def user_bodies() -> Callable[[str], bytes]:
    """Return a function that returns a new user's JSON at each call."""
    numbers, run = count(), uuid4().hex[:8]

    def body(prefix: str) -> bytes:
        name = f"{prefix}{run}{next(numbers)}"
        return json.dumps({"username": name, "email": f"{name}@x.example", "name": "New"}).encode()

    return body


def compare(
    service: RunningService, tutorial_port: int, user_id: str, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Return the medians per request, and the median of the rounds' ratios."""
    key, body = service.headers, user_bodies()
    requests: dict[str, tuple[Callable[[], bytes], Callable[[], bytes], bytes]] = {
        "GET /v1/users/{id}": (
            lambda: http_request("GET", f"/v1/users/{user_id}", **key),
            lambda: http_request("GET", f"/v1/users/{user_id}"),
            b"200",
        ),
        "GET /v1/posts, 50 with author": (
            lambda: http_request("GET", "/v1/posts?limit=50&expand=author", **key),
            lambda: http_request("GET", "/v1/posts?limit=50"),
            b"200",
        ),
        "POST /v1/users": (
            lambda: http_request("POST", "/v1/users", body("a"), **key),
            lambda: http_request("POST", "/v1/users", body("b")),
            b"201",
        ),
    }
    rows = []
    for name, (ours, tutorial, status) in requests.items():
        rates: list[tuple[float, float]] = []
        for _ in range(rounds):
            our_durations = run_load(service.port, ours, CLIENTS, seconds, status)
            tutorial_durations = run_load(tutorial_port, tutorial, CLIENTS, seconds, status)
            rates.append((len(our_durations) / seconds, len(tutorial_durations) / seconds))
        rows.append(
            {
                "what": name,
                "ours_per_second": statistics.median(ours for ours, _ in rates),
                "tutorial_per_second": statistics.median(tutorial for _, tutorial in rates),
                "ratio": statistics.median(ours / tutorial for ours, tutorial in rates),
                "aim": AIMS[name],
            }
        )
    return rows


def main() -> None:
    options = option_parser(__doc__, rounds=5, seconds=3.0).parse_args()
    with (
        running_service() as service,
        running_application(
            "benchmarks.tutorial_relational:app", DATABASE_URL=service.database_url
        ) as tutorial_port,
    ):
        user_id = seed(service)
        rows = compare(service, tutorial_port, user_id, options.rounds, options.seconds)
    print_rows(rows, as_json=options.json)


if __name__ == "__main__":
    main()
