"""``polystore halves``. Its effects are tested in tests/documents/predictions."""

import asyncio
import json

import httpx2
import pytest

from service.documents.predictions.cloudevents import inference_protocol
from service.main import State
from service.settings import Settings
from tests.documents.predictions.cloudevents.inference_server import (
    FEATURES,
    send_request,
    send_response,
)
from tests.documents.predictions.factories import stored_events
from tests.fixtures.cli import run_cli


async def test_halves_replay_logs_what_can_be_read_now(
    client: httpx2.AsyncClient,
    state: State,
    settings: Settings,
    mongodb_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inference_protocol, "_REQUEST_FIELDS", ("instances",))
    await send_request(client, "7")
    await send_response(client, "7")
    await send_request(client, "8", b"{")
    monkeypatch.undo()
    for logged in (1, 0):
        result = await asyncio.to_thread(
            run_cli,
            *("halves", "replay", "--model", "iris", "--json"),
            MONGODB_URL=mongodb_url,
            POLYSTORE_MONGODB_DATABASE=settings.mongodb_database or "",
        )
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout) == {
            "logged": logged,
            "waiting": 0,
            "refused": 1,
            "reasons": {"invalid_json": 1},
        }
    assert [event["features"] for event in await stored_events(state)] == [FEATURES]
