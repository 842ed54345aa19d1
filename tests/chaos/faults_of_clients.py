"""Clients that go away, send without end, send slowly, or come all at once."""

import asyncio
import time
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg
import psutil

from tests.chaos.fault import Chaos, Fault, Figures
from tests.chaos.writers import MONGO, SQL, predictions

DISCONNECTS, HALF_REQUESTS, FLOODS, BURST = 200, 100, 50, 100
MOST_GROWTH_BYTES, CHUNK = 50_000_000, b"10000\r\n" + b"x" * 65_536 + b"\r\n"
FLOOD_SECONDS = 20.0


async def disconnects(chaos: Chaos) -> Figures:
    """Send whole requests and go away before the response."""

    async def leave(path: str, body: bytes, seconds: float) -> None:
        with suppress(OSError):
            _, writer = await _connect(chaos)
            head = f"POST {path} HTTP/1.1\r\nHost: polystore\r\nContent-Type: application/json\r\n"
            head += f"Authorization: Bearer {chaos.system.token}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            await asyncio.sleep(seconds)
            writer.transport.abort()

    requests = [("/v1/items", b'{"name": "left"}'), ("/v1/tags", b'{"name": "left"}')]
    waits = [chaos.load.chance.random() * 0.05 for _ in range(DISCONNECTS)]
    await asyncio.gather(
        *(leave(*requests[place % 2], seconds) for place, seconds in enumerate(waits))
    )
    return {"left": DISCONNECTS}


async def too_many_connections(chaos: Chaos) -> Figures:
    """Others take every connection of PostgreSQL, and the pool's are ended."""
    taken = []
    try:
        connection = await chaos.system.connect()
        taken.append(connection)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'polystore'"
        )
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                connection = await chaos.system.connect("polystore")
                taken.append(connection)
        await asyncio.sleep(2)
    finally:
        for connection in taken:
            await connection.close()
    return {"taken": len(taken)}


async def body_flood(chaos: Chaos) -> Figures:
    """Send 50 bodies of 100 MB at once; the service reads none of them to the end."""
    size = chaos.control.flood_bytes if chaos.control else 100_000_000
    process = psutil.Process(chaos.system.pid)
    async with chaos.load.paused():
        before = most = process.memory_info().rss
        floods = asyncio.gather(*(_flood(chaos, size) for _ in range(FLOODS)))
        while not floods.done():
            most = max(most, process.memory_info().rss)
            await asyncio.sleep(0.02)
    grown = most - before
    chaos.require("memory", grown <= MOST_GROWTH_BYTES, f"{grown / 1e6:.0f} MB under a flood")
    heads = sorted(set(await floods))
    return {"grown_mb": round(grown / 1e6, 1), "answers": heads}


async def _flood(chaos: Chaos, size: int) -> str:
    """Send a chunked body until the service answers or cuts; return the status."""
    reader, writer = await _connect(chaos)
    head = "POST /v1/items HTTP/1.1\r\nHost: polystore\r\nContent-Type: application/json\r\n"
    head += f"Authorization: Bearer {chaos.system.token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = asyncio.create_task(reader.read(12))
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(FLOOD_SECONDS):
            writer.write(head.encode())
            for _ in range(size // 65_536):
                if answer.done():
                    break
                writer.write(CHUNK)
                await writer.drain()
            else:
                writer.write(b"0\r\n\r\n")
            await answer
    answer.cancel()
    writer.transport.abort()
    done = answer.done() and not answer.cancelled() and answer.exception() is None
    return answer.result().decode() if done else "cut"


async def half_requests(chaos: Chaos) -> Figures:
    """Open connections that send half a head or half a body; others are served as before."""
    writers = []
    start = time.monotonic()
    with chaos.spared(SQL, "100 half requests"), chaos.spared(MONGO, "100 half requests"):
        for place in range(HALF_REQUESTS):
            _, writer = await _connect(chaos)
            writer.write(b"POST /v1/items HTTP/1.1\r\nHost: polystore\r\nContent-Le")
            if place % 2:
                writer.write(b"ngth: 100\r\nContent-Type: application/json\r\n\r\n{")
            writers.append(writer)
        await asyncio.sleep(chaos.hang_seconds)
    for writer in writers:
        writer.transport.abort()
    return {"seconds": round(time.monotonic() - start, 1)}


async def burst(chaos: Chaos) -> Figures:
    """A hundred more clients log predictions; each event is stored or was refused."""
    count, end = 0, time.monotonic() + chaos.hang_seconds

    async def hurry() -> None:
        nonlocal count
        while time.monotonic() < end:
            await predictions(chaos.load)
            count += 1

    await asyncio.gather(*(hurry() for _ in range(BURST)))
    return {"events": count, "per_second": round(count / chaos.hang_seconds)}


async def _connect(chaos: Chaos) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(chaos.system.url)
    return await asyncio.open_connection(address.hostname, address.port)


FAULTS = (
    Fault("F21", "200 clients disconnect", "no leak", disconnects, True),
    Fault("F22", "too many connections", "503", too_many_connections, True),
    Fault("F27", "50 bodies of 100 MB", "413, at most 50 MB more", body_flood, True),
    Fault("F28", "100 half requests", "others are served as before", half_requests, False, 10.0),
    Fault("F30", "burst of predictions", "2xx or 503, 0 lost", burst, True, 10.0),
)
