"""How much slower reads get while 32 clients log in: the p99 of each, in turns, and their ratio.

    python -m benchmarks.login_load --rounds 5 --seconds 6

Starts a service on engines and a data folder of its own. The clients that log in are a process of
their own; all of it shares the machine, so that only the ratio within one run means something.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

CLIENTS, READERS, USERS = 32, 4, 8
PASSWORD = "a password for the benchmark"  # noqa: S105
ROOT = Path(__file__).parent.parent


async def ask(port: int, request: bytes, until: float, seconds: list[float]) -> None:
    """Sends one request again and again on one connection; how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        seconds.append(time.perf_counter() - began)
    writer.close()


async def many(port: int, requests: list[bytes], seconds: float) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*[ask(port, request, until, taken) for request in requests])
    return taken


def log_in_for(port: int, seconds: float, results: Any) -> None:
    """What the process of the clients that log in runs."""
    requests = []
    for number in range(CLIENTS):
        form = f"grant_type=password&username=bench{number % USERS}&password={quote(PASSWORD)}"
        head = (
            "POST /v1/auth/token HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}"
        )
        requests.append(f"{head}\r\n\r\n{form}".encode())
    results.put(len(asyncio.run(many(port, requests, seconds))))


def p99(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=100)[98] * 1000


def measure(port: int, read: bytes, rounds: int, seconds: float) -> list[dict[str, float]]:
    found = []
    for _ in range(rounds):
        alone = asyncio.run(many(port, [read] * READERS, seconds))
        results: Any = multiprocessing.Queue()
        logins = multiprocessing.Process(target=log_in_for, args=(port, seconds + 2, results))
        logins.start()
        time.sleep(1)
        beside = asyncio.run(many(port, [read] * READERS, seconds))
        count = results.get(timeout=60)
        logins.join()
        found.append(
            {
                "alone_p99_ms": p99(alone),
                "beside_p99_ms": p99(beside),
                "ratio": p99(beside) / p99(alone),
                "alone_per_second": len(alone) / seconds,
                "beside_per_second": len(beside) / seconds,
                "logins_per_second": count / (seconds + 2),
            }
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--path", default="/v1/tags", help="what is read")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PORT": "0",
            "POLYSTORE_DATA_DIR": folder,
            "POLYSTORE_LOG_LEVEL": "WARNING",
            "POLYSTORE_RATE_LOGIN": "1000000/minute",
            "POLYSTORE_RATE_ADDRESS": "1000000/minute",
            "POLYSTORE_RATE_GUESS": "1000000/minute",
            "POLYSTORE_RATE_CALLER": "100000000/minute",
        }
        service = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"],
            cwd=ROOT,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert service.stderr is not None
        try:
            url = next(line.split()[1] for line in service.stderr if line.strip().startswith("API"))
            kept = json.loads((Path(folder) / "credentials.json").read_text())
            headers = {"Authorization": f"Bearer {kept['demo_key']}"}
            with httpx2.Client(base_url=url, headers=headers, timeout=20) as client:
                while True:
                    try:
                        client.get("/tags")
                        break
                    except httpx2.TransportError:
                        time.sleep(0.1)
                for number in range(USERS):
                    name = f"bench{number}"
                    body = {"username": name, "email": f"{name}@x.example", "password": PASSWORD}
                    assert client.post("/users", json=body).status_code == 201
            port = int(url.rpartition(":")[2].partition("/")[0])
            bearer = headers["Authorization"]
            read = f"GET {told.path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\n\r\n"
            found = measure(port, read.encode(), told.rounds, told.seconds)
        finally:
            service.terminate()
            service.wait(30)
    for each in found:
        print("  ".join(f"{name} {value:8.2f}" for name, value in each.items()))
    print(f"median ratio {statistics.median(each['ratio'] for each in found):.2f}")


if __name__ == "__main__":
    main()
