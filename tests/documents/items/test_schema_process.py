"""Large validations run in a process of their own, so that they hold nobody up."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from service.documents.items import schema_process
from service.documents.items.json_schema import BadJsonSchema, ValidationTooCostly, Violation
from service.documents.items.schema_process import SchemaProcess, ValidationBusy

# No state of the automaton comes again: 20 seconds for this text (measured).
SLOW = (
    '{"pattern": "([ab]{1,20}a){30}[cd]"}',
    "".join(random.Random(1).choices("ab", k=2_000_000)) + "bc",
)


@pytest.fixture
async def process() -> AsyncIterator[SchemaProcess]:
    process = SchemaProcess()
    yield process
    process.stop()


async def test_violations_schema_by_schema(process: SchemaProcess) -> None:
    assert await process.violations('{"type": "object"}', {}) == []
    assert await process.violations('{"type": "object"}', 1) == [Violation((), ("type",))]
    with pytest.raises(BadJsonSchema, match="look-around"):
        await process.violations('{"pattern": "("}', {})


async def test_violations_too_slow_are_ended_and_the_next_are_not(
    process: SchemaProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop turns meanwhile: both deadlines pass in it."""
    assert await process.violations("true", {}) == []
    monkeypatch.setattr(schema_process, "SECONDS", 0.2)
    slow = asyncio.create_task(process.violations(*SLOW))
    await asyncio.sleep(0)
    monkeypatch.setattr(schema_process, "SECONDS", 0.05)
    with pytest.raises(ValidationBusy):
        await process.violations("true", {})
    with pytest.raises(ValidationTooCostly):
        await slow
    monkeypatch.setattr(schema_process, "SECONDS", 60.0)
    assert await process.violations("true", {}) == []


async def test_violations_after_a_cancelled_request_are_their_own(
    process: SchemaProcess,
) -> None:
    assert await process.violations("true", {}) == []
    cancelled = asyncio.create_task(process.violations(*SLOW))
    await asyncio.sleep(0.05)
    cancelled.cancel()
    assert await process.violations("false", {}) == [Violation((), ())]
