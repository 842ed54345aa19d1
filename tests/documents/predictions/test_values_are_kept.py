"""Events are read back as they were sent: singly, in lists and in exports."""

import csv
import io
import json
import math
from typing import Any
from uuid import uuid4

import httpx2
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.documents.predictions.factories import (
    JSON,
    NDJSON,
    make_event,
    post_batch,
    post_event,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
names = texts | st.sampled_from(["home.dest", "$income", "", " a b ", "a/b", "~", "$ref", "$id"])
scalars = st.none() | st.booleans() | st.integers(-(10**34) + 1, 10**34 - 1) | st.floats() | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=8,
)
outputs = st.fixed_dictionaries(
    {},
    optional={
        "label": st.booleans() | st.integers(-5, 5) | texts | st.lists(st.integers(0, 9)),
        "score": st.floats(),
        "scores": st.dictionaries(names, st.none() | st.floats(), min_size=1, max_size=3),
        "ranking": st.lists(texts),
        "boxes": values,
    },
)
events = st.fixed_dictionaries(
    {"features": st.dictionaries(names, values, max_size=5), "output": outputs},
    optional={
        "tags": st.dictionaries(names, texts, max_size=3),
        "user_id": texts.filter(bool),
        "error": texts.filter(bool),
    },
)


def undeclared(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the numbers that ``nonfinite`` names."""
    numbers = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    for pointer, name in (event.pop("nonfinite", None) or {}).items():
        *steps, last = (s.replace("~1", "/").replace("~0", "~") for s in pointer.split("/")[1:])
        parent: Any = event
        for step in steps:
            parent = parent[int(step) if isinstance(parent, list) else step]
        key: Any = int(last) if isinstance(parent, list) else last
        assert parent[key] is None
        parent[key] = numbers[name]
    return event


def comparable(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def sent_fields(read: dict[str, Any], sent: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that were sent; ``output`` without its nulls is None if it is empty."""
    return {name: value for name, value in undeclared(read).items() if name in sent}


def expected(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "output": event["output"] or None}


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=st.lists(events, min_size=1, max_size=3), as_stream=st.booleans())
async def test_events_of_any_json_are_read_back_equal(
    client: httpx2.AsyncClient, drawn: list[dict[str, Any]], *, as_stream: bool
) -> None:
    model = uuid4().hex
    sent = [make_event(model=model, prediction_id=f"{uuid4()}-x", **fields) for fields in drawn]
    if as_stream:
        lines = "\n".join(map(json.dumps, sent)).encode()
        await client.post("/v1/predictions/stream", content=lines, headers=NDJSON)
    else:
        batch = json.dumps({"items": sent}).encode()
        await client.post("/v1/predictions/batch", content=batch, headers=JSON)
    listed = (await client.get("/v1/predictions", params={"model": model})).json()["items"]
    exported = await client.get("/v1/predictions/export", params={"model": model})
    for read in (listed, [json.loads(line) for line in exported.content.splitlines()]):
        by_id = {item["prediction_id"]: item for item in read}
        for event in sent:
            item = sent_fields(by_id[event["prediction_id"]], event)
            assert comparable(item) == comparable(expected(event))
    # What an export wrote can be sent again.
    again = await client.post("/v1/predictions/stream", content=exported.content, headers=NDJSON)
    assert json.loads(again.content.splitlines()[-1])["duplicates"] == len(sent), again.text
    for event in sent:
        found = await client.get(f"/v1/predictions/{event['prediction_id']}")
        assert comparable(sent_fields(found.json(), event)) == comparable(expected(event))


async def test_numbers_that_json_lacks_have_their_declared_form(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event(
        prediction_id="=text", features={"age": math.nan, "big": 2**64 - 1}, output={"label": 1}
    )
    response = await client.post("/v1/predictions", content=json.dumps(event), headers=JSON)
    assert (response.status_code, response.json()["prediction_id"]) == (201, "=text")
    read = (await client.get(response.headers["location"])).json()
    assert read["features"] == {"age": None, "big": 2**64 - 1}
    assert read["nonfinite"] == {"/features/age": "NaN"}
    table = await client.get("/v1/predictions/export", params={"format": "parquet"})
    (row,) = pq.read_table(io.BytesIO(table.content)).to_pylist()
    assert row["prediction_id"] == "=text"
    assert math.isnan(json.loads(row["features"])["age"])
    rows = await client.get("/v1/predictions/export", params={"format": "csv"})
    (cells,) = csv.DictReader(io.StringIO(rows.text))
    assert cells["prediction_id"] == "'=text"
    assert json.loads(cells["nonfinite"]) == {"/features/age": "NaN"}


async def test_event_of_text_id_is_found_by_it_and_is_idempotent(
    client: httpx2.AsyncClient,
) -> None:
    event = make_event(prediction_id="shop/order 7\n/feedback", user_id="u/1", trace_id="t")
    assert [(await post_event(client, event)).status_code for _ in range(2)] == [201, 200]
    changed = await post_event(client, {**event, "features": {}})
    assert changed.status_code == 409
    for path in ("shop/order 7%0A/feedback", "shop%2Forder%207%0A%2Ffeedback"):
        found = await client.get(f"/v1/predictions/{path}")
        assert found.json()["prediction_id"] == event["prediction_id"]
    for name in ("prediction_id", "user_id"):
        page = (await client.get("/v1/predictions", params={name: event[name]})).json()
        assert [item["user_id"] for item in page["items"]] == ["u/1"]


async def test_event_of_a_picture_is_kept(client: httpx2.AsyncClient) -> None:
    row = [[(x * y) % 256 for x in range(3)] for y in range(224)]
    picture = make_event(features={"picture": [row] * 224, **{f"f{n}": n for n in range(5_000)}})
    assert (await post_batch(client, [picture]))["created"] == 1
    read = (await client.get(f"/v1/predictions/{picture['prediction_id']}")).json()
    assert read["features"] == picture["features"]
