"""A list of many small numbers is larger in BSON than in JSON, and slow to walk."""

import time

import httpx2
import pytest

from service.core.errors import Refused
from service.web.strict_json import parse_json
from tests.documents.predictions.factories import make_event, post_batch


async def test_long_lists_are_no_reason_to_fail(client: httpx2.AsyncClient) -> None:
    """Each number of two bytes takes eleven or more in BSON, whose documents end at 16 MiB."""
    event = make_event()
    zeros = [0] * 1_500_000
    told = await post_batch(client, [event, make_event(features={"x": zeros})])
    assert [each["code"] for each in told["results"]] == ["created", "rejected"]


async def test_long_scores_are_no_reason_to_fail(client: httpx2.AsyncClient) -> None:
    """Each number of two bytes takes eleven or more in BSON, whose documents end at 16 MiB."""
    event = make_event()
    endless = make_event(output={"scores": [0] * 1_500_000})
    told = await post_batch(client, [event, endless])
    assert [each["code"] for each in told["results"]] == ["created", "rejected"]


def test_a_list_that_is_too_long_is_refused_at_once() -> None:
    """A batch may have 5 MiB; what is looked at is 20,000 values."""
    body = b"[" + b"0," * 2_600_000 + b"0]"
    began = time.process_time()
    with pytest.raises(Refused):
        parse_json(body)
    assert time.process_time() - began < 0.5  # looked at whole it took 1.7 s
