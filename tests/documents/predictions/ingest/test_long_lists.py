"""A list of many small numbers is larger in BSON than in JSON, and slow to check."""

import time

import httpx2
import pytest

from service.core.errors import Refused
from service.web.bodies.strict_json import parse_json
from tests.documents.predictions.factories import make_event, post_batch


async def test_batch_event_with_a_long_list_is_rejected(client: httpx2.AsyncClient) -> None:
    """Two bytes of JSON take eleven or more in BSON, whose documents have at most 16 MiB."""
    event = make_event()
    zeros = [0] * 1_500_000
    batch = await post_batch(client, [event, make_event(features={"x": zeros})])
    assert [item["code"] for item in batch["results"]] == ["created", "rejected"]


async def test_batch_event_with_long_scores_is_rejected(client: httpx2.AsyncClient) -> None:
    """Two bytes of JSON take eleven or more in BSON, whose documents have at most 16 MiB."""
    event = make_event()
    event_with_scores = make_event(output={"scores": [0] * 1_500_000})
    batch = await post_batch(client, [event, event_with_scores])
    assert [item["code"] for item in batch["results"]] == ["created", "rejected"]


def test_parse_json_list_too_long_fails_fast() -> None:
    """A batch may have 5 MiB, but parse_json stops after 20,000 values."""
    body = b"[" + b"0," * 2_600_000 + b"0]"
    began = time.process_time()
    with pytest.raises(Refused):
        parse_json(body)
    assert time.process_time() - began < 0.5  # the whole list took 1.7 s (measured)
