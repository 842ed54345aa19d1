"""A load generator that does not itself eat the core: raw HTTP/1.1 over kept connections."""

import asyncio
import time
from collections.abc import Callable


async def _ask(
    port: int, request: Callable[[], bytes], status: bytes, until: float, seconds: list[float]
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(request())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == status, head
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
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


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it travels."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
