"""Measure how much slower reads get while 32 clients log in: the ratio of the p99s.

    python -m benchmarks.login_load --rounds 5 --seconds 6 [--path /v1/tags] [--json]

The clients that log in are a separate process. All processes share the machine, so only the ratio
within one run is meaningful.
"""

import multiprocessing
import statistics
import time
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import quote

from benchmarks.command_line import option_parser, print_rows
from benchmarks.load_generator import http_request, percentile_ms, run_load
from benchmarks.running_service import RunningService, running_service

CLIENTS, READERS, USERS = 32, 4, 8
PASSWORD = "a password for the benchmark"  # noqa: S105
LOGIN_LEAD_SECONDS = 1.0


def create_users(service: RunningService) -> None:
    with service.client() as client:
        for number in range(USERS):
            name = f"bench{number}"
            body = {"username": name, "email": f"{name}@x.example", "password": PASSWORD}
            client.post("/users", json=body).raise_for_status()


def log_in(port: int, seconds: float, results: Any) -> None:
    """Put the number of logins into ``results``; runs in its own process."""
    numbers = count()

    def request() -> bytes:
        username = f"bench{next(numbers) % USERS}"
        form = f"grant_type=password&username={username}&password={quote(PASSWORD)}".encode()
        form_type = "application/x-www-form-urlencoded"
        return http_request("POST", "/v1/auth/token", form, content_type=form_type)

    results.put(len(run_load(port, request, CLIENTS, seconds)))


def measure(service: RunningService, path: str, seconds: float) -> dict[str, float]:
    """Return the figures of one round."""
    read = partial(http_request, "GET", path, **service.headers)
    alone = run_load(service.port, read, READERS, seconds)
    results: Any = multiprocessing.Queue()
    login_seconds = seconds + 2 * LOGIN_LEAD_SECONDS
    logins = multiprocessing.Process(target=log_in, args=(service.port, login_seconds, results))
    logins.start()
    time.sleep(LOGIN_LEAD_SECONDS)
    during_logins = run_load(service.port, read, READERS, seconds)
    login_count = results.get(timeout=60)
    logins.join()
    p99_alone, p99_during = percentile_ms(alone, 0.99), percentile_ms(during_logins, 0.99)
    return {
        "alone_p99_ms": p99_alone,
        "beside_p99_ms": p99_during,
        "ratio": p99_during / p99_alone,
        "alone_per_second": len(alone) / seconds,
        "beside_per_second": len(during_logins) / seconds,
        "logins_per_second": login_count / login_seconds,
    }


def main() -> None:
    parser = option_parser(__doc__, rounds=5, seconds=6.0)
    parser.add_argument("--path", default="/v1/tags", help="path of the reads")
    options = parser.parse_args()
    with running_service() as service:
        create_users(service)
        rounds = [measure(service, options.path, options.seconds) for _ in range(options.rounds)]
    medians = {name: statistics.median(figures[name] for figures in rounds) for name in rounds[0]}
    print_rows([{"what": f"GET {options.path} during logins", **medians}], as_json=options.json)


if __name__ == "__main__":
    main()
