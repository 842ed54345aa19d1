"""Clients that send raw HTTP/1.1 over open connections, so that they use little of the CPU."""

import asyncio
import time
from collections.abc import Callable


async def _send_repeatedly(
    port: int, request: Callable[[], bytes], status: bytes, until: float, durations: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == status, head
        _, has_length, rest = head.lower().partition(b"content-length: ")
        if has_length:
            await reader.readexactly(int(rest.split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        durations.append(time.perf_counter() - start)
    writer.close()


async def send_requests(
    port: int, request: Callable[[], bytes], clients: int, seconds: float, status: bytes = b"200"
) -> list[float]:
    """Let ``clients`` send requests one after another for ``seconds``.

    Return the duration of each response in seconds. Every response must have ``status``.
    """
    durations: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(
        *(_send_repeatedly(port, request, status, until, durations) for _ in range(clients))
    )
    return durations


def run_load(
    port: int, request: Callable[[], bytes], clients: int, seconds: float, status: bytes = b"200"
) -> list[float]:
    """Call ``send_requests`` in a new event loop."""
    return asyncio.run(send_requests(port, request, clients, seconds, status))


def http_request(
    method: str,
    path: str,
    body: bytes = b"",
    /,
    content_type: str = "application/json",
    **headers: str,
) -> bytes:
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def percentile_ms(durations: list[float], share: float) -> float:
    """Return a percentile in milliseconds, such as the p99 with ``share`` 0.99."""
    return sorted(durations)[int(len(durations) * share)] * 1000
