"""A load generator that does not itself eat the core: raw HTTP/1.1 over kept connections."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


async def _ask(
    port: int, request: Callable[[], bytes], status: bytes, until: float, seconds: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == status, head
        _, has_length, rest = head.lower().partition(b"content-length: ")
        if has_length:
            await reader.readexactly(int(rest.split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"\r\n0\r\n\r\n")
        seconds.append(time.perf_counter() - began)
    writer.close()


async def load(
    port: int, request: Callable[[], bytes], clients: int, seconds: float, status: bytes = b"200"
) -> list[float]:
    """How long each answer took, while so many clients asked again and again for so long."""
    taken: list[float] = []
    until = time.perf_counter() + seconds
    asking = [_ask(port, request, status, until, taken) for _ in range(clients)]
    await asyncio.gather(*asking)
    return taken


def http(
    method: str, path: str, body: bytes = b"", /, kind: str = "application/json", **headers: str
) -> bytes:
    """A request as it travels; ``kind`` is the type of its body."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def report(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Prints what was found, a row each: its ``what``, then its figures."""
    if as_json:
        print(json.dumps(rows))
        return
    width = max(len(row["what"]) for row in rows)
    for row in rows:
        figures = (f"{name} {value:.2f}" for name, value in row.items() if name != "what")
        print(f"{row['what']:{width}}  {'  '.join(figures)}")
