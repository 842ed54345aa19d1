"""``polystore load`` against the service on a real socket."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from service.cli.load import loop, sender
from service.main import State
from tests.cli.load.loading import load, load_json, stored, write
from tests.documents.predictions.live_server import serving

pytestmark = pytest.mark.usefixtures("reset_stores")


async def test_load_csv_guesses_the_columns_and_their_types(url: str, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "loans.csv",
        ",Time,age,zip,member,note,y_pred,y_pred_proba,y_true",
        '0,2026-01-01 10:00:00,31,01234,True,"a, ""b""\nc",1.0,0.25,0.0',
        "1,2026-01-01T10:00:01+02:00,,99999,False,,0.0,1e-3,",
    )
    loaded = await load_json(file, url)
    assert (loaded["created"], loaded["labels"]["labelled"]) == (2, 1)
    second, first = await stored(url)
    assert first["timestamp"] == "2026-01-01T10:00:00.000Z"
    assert second["timestamp"] == "2026-01-01T08:00:01.000Z"
    expected = {"age": 31, "zip": "01234", "member": True, "note": 'a, "b"\nc'}
    assert first["features"] == expected
    assert second["features"] == {"age": None, "zip": "99999", "member": False, "note": None}
    assert (first["output"], second["output"]) == (
        {"label": 1, "score": 0.25},
        {"label": 0, "score": 0.001},
    )
    assert (first["label"], first["label_source"]) == (0, "loans.csv")
    assert first["label_observed_at"] == first["timestamp"]


async def test_load_again_adds_nothing(url: str, tmp_path: Path) -> None:
    """Two equal rows are two predictions; an appended row alone is new."""
    lines = ["time,age,label", *["2026-01-01T10:00:00Z,31,1"] * 2]
    file = write(tmp_path, "loans.csv", *lines)
    assert (await load_json(file, url))["created"] == 2
    again = await load_json(file, url)
    assert (again["created"], again["duplicates"]) == (0, 2)
    assert again["labels"] == {"labelled": 0, "revised": 0, "unchanged": 2, "rejected": 0}
    write(tmp_path, "loans.csv", *lines, "2026-01-01T10:00:00Z,31,1")
    longer = await load_json(file, url)
    assert (longer["created"], longer["duplicates"]) == (1, 2)


async def test_load_with_another_mapping_is_a_conflict(url: str, tmp_path: Path) -> None:
    file = write(tmp_path, "loans.csv", "time,age,score", "2026-01-01T10:00:00Z,31,0.5")
    await load_json(file, url)
    loaded = await load_json(file, url, "--score", "", exit_code=1)
    assert (loaded["conflicts"], loaded["rejections"][0]["code"]) == (1, "conflict")


async def test_load_options_name_every_field(url: str, tmp_path: Path) -> None:
    row = {
        "key": "01930d6e-7a00-7000-8000-000000000001",
        "ms": 1767261600000,
        "yes": 0.75,
        "no": 0.25,
        "sold": 3,
        "who": "01930d6e-7a00-7000-8000-000000000002",
        "truth": "late",
        "seen_at": 1767261700000,
        "took": 4.5,
        "site": "Köln",
        "secret": "x",
        "age": 31,
        "score": 9,
    }
    file = write(tmp_path, "loans.ndjson", json.dumps(row))
    options = (
        *("--id", "key", "--timestamp", "ms", "--time-unit", "ms", "--value", "sold"),
        *("--scores", "yes,no", "--user", "who", "--label", "truth", "--observed-at", "seen_at"),
        *("--source", "billing", "--field", "latency_ms=took", "--tag", "site"),
        *("--exclude", "secret", "--score", ""),
    )
    await load_json(file, url, *options)
    (event,) = await stored(url)
    assert event["prediction_id"] == row["key"]
    assert event["timestamp"] == "2026-01-01T10:00:00.000Z"
    assert event["output"] == {"value": 3, "scores": {"yes": 0.75, "no": 0.25}}
    assert (event["user_id"], event["latency_ms"]) == (row["who"], 4.5)
    assert (event["tags"], event["features"]) == ({"site": "Köln"}, {"age": 31, "score": 9})
    assert (event["label"], event["label_source"]) == ("late", "billing")
    assert event["label_observed_at"] == "2026-01-01T10:01:40.000Z"


async def test_load_whole_events_keeps_their_parts(url: str, tmp_path: Path) -> None:
    """Columns that are no part of an event, such as received_at, are left out."""
    event = {
        "timestamp": "2026-01-01T10:00:00Z",
        "features": {"age": 31},
        "output": {"label": "yes"},
        "tags": {"site": "A"},
        "received_at": "2026-01-01T10:00:01Z",
    }
    await load_json(write(tmp_path, "log.jsonl", json.dumps(event)), url)
    (found,) = await stored(url)
    assert (found["features"], found["output"], found["tags"]) == (
        {"age": 31},
        {"label": "yes"},
        {"site": "A"},
    )


async def test_load_parquet_in_batches_is_stored_whole(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cli.load.parquet.BATCH_ROWS", 2)
    monkeypatch.setattr(loop, "PART_ROWS", 3)
    columns = {
        "timestamp": [datetime(2026, 1, 1, 10, 0, second, tzinfo=UTC) for second in range(7)],
        "prediction": [number / 2 for number in range(7)],
        "label": pa.array([None, *map(float, range(1, 7))]),
        "embedding": [[0.5, number] for number in range(7)],
        "__index_level_0__": range(7),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    loaded = await load_json(tmp_path / "a.parquet", url)
    assert (loaded["created"], loaded["labels"]["labelled"]) == (7, 6)
    events = await stored(url)
    assert [event["output"]["value"] for event in events] == columns["prediction"]
    assert [event["features"] for event in events] == [
        {"embedding": [0.5, number]} for number in range(7)
    ]
    assert (await load_json(tmp_path / "a.parquet", url))["duplicates"] == 7


def odd_file(choose: random.Random) -> tuple[bytes, Counter[str], list[int]]:
    """Return a CSV file, its counts, and the lines where its rejected records begin."""
    lines, counts, rejected = [b"id,time,note"], Counter[str](), []
    for number in range(choose.randrange(1, 30)):
        line = 1 + sum(1 + part.count(b"\n") for part in lines)
        key = f"01930d6e-7a00-7000-8000-{choose.getrandbits(48):012x}"
        good = f"{key},2026-01-01T10:00:00Z,".encode()
        kind = choose.choice(["plain", "lines", "blank", "short", "long", "bytes", "time", "twice"])
        counts["created" if kind in ("plain", "lines", "twice") else "rejected"] += kind != "blank"
        if kind in ("short", "long", "bytes", "time"):
            rejected.append(line)
        record = {
            "plain": good + b'"' + b"x" * choose.randrange(5) + b'""; "',
            "lines": good + b'"' + b"\n" * choose.randrange(4) + b'\r\n"',
            "blank": b"",
            "short": good[:-1],
            "long": good + b",",
            "bytes": good + b"\xe9t\xe9",
            "time": good.replace(b"10:", b"99:") + b"x",
            "twice": good + b"%d" % number,
        }[kind]
        lines.append(record)
        if kind == "twice":
            other = choose.choice([b"", b"other"])
            lines.append(record + other)
            counts["conflicts" if other else "duplicates"] += 1
    return b"\r\n".join(lines), counts, rejected


@pytest.mark.parametrize("seed", range(3))
async def test_load_odd_files_every_row_is_counted(
    seed: int, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "PART_ROWS", 7)
    choose = random.Random(seed)
    for number in range(4):
        content, counts, rejected = odd_file(choose)
        file = tmp_path / f"{number}.csv"
        file.write_bytes(content)
        exit_code = 1 if counts["rejected"] or counts["conflicts"] else 0
        options = ("--id", "id", "--timestamp", "time")
        loaded = await load_json(file, url, *options, exit_code=exit_code)
        assert {name: loaded[name] for name in counts} == counts, content
        found = [item for item in loaded["rejections"] if item["code"] == "rejected"]
        if loaded["rejected"] + loaded["conflicts"] <= 20:
            assert [item["line"] for item in found] == rejected, content


async def test_load_rejected_rows_are_listed_and_kept(url: str, tmp_path: Path) -> None:
    rows = [f"2026-01-01T{hour:02}:00:00Z,{hour}" for hour in range(45)]
    file, kept = write(tmp_path, "loans.csv", "time,age", *rows), tmp_path / "rejected.ndjson"
    result = await load(file, url, "--rejected", str(kept))
    assert result.exit_code == 1
    assert "line 26  rejected: /timestamp " in result.stdout
    assert "… and 1 more" in result.stdout
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [line["line"] for line in lines] == list(range(26, 47))
    assert lines[0]["values"] == {"time": "2026-01-01T24:00:00Z", "age": "24"}
    assert lines[0]["errors"][0]["pointer"] == "/timestamp"


@asynccontextmanager
async def cutting(port: int, cuts: int) -> AsyncIterator[str]:
    """Forward to a port; of so many connections, cut each after the first line of an answer."""
    left, forwarding = cuts, set[asyncio.Task[None] | None]()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        forwarding.add(asyncio.current_task())
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        sending = asyncio.create_task(copy(reader, up_writer))
        with suppress(OSError):
            while data := await up_reader.read(65536):
                writer.write(data)
                await writer.drain()
                if left and b"committed_through" in data:
                    left -= 1
                    break
        sending.cancel()
        up_writer.transport.abort()
        writer.close()
        await asyncio.gather(
            sending, up_writer.wait_closed(), writer.wait_closed(), return_exceptions=True
        )

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()  # else the service keeps the connection open for a minute

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*filter(None, forwarding))
    assert left == 0


async def test_load_cut_connections_lose_and_double_nothing(
    state: State, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "FIRST_WAIT_SECONDS", 0.0)
    rows = [f"2026-01-01T10:00:00Z,{number},{number % 2}" for number in range(1200)]
    file = write(tmp_path, "loans.csv", "time,age,label", *rows)
    async with cutting(int(url.rpartition(":")[2]), 3) as proxy:
        loaded = await load_json(file, proxy)
    assert loaded["rows"] == loaded["created"] + loaded["duplicates"] == 1200
    labels = loaded["labels"]
    assert labels["labelled"] + labels["unchanged"] == 1200
    assert sorted(event["features"]["age"] for event in await stored(url)) == list(range(1200))


async def test_load_refused_token_ends_with_its_reason(state: State, tmp_path: Path) -> None:
    file = write(tmp_path, "loans.csv", "time,age", "2026-01-01T10:00:00Z,31")
    async with serving(state, authenticator=state["authenticator"]) as port:
        result = await load(file, f"http://127.0.0.1:{port}")
    assert result.exit_code == 5
    assert "401" in result.stderr
    assert "--from-row 1" in result.stderr
