"""SIGTERM while a client follows the log: the tail ends with an error, and the exit is prompt."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.documents.predictions.factories import make_event
from tests.fixtures.service import running_service

pytestmark = pytest.mark.faults


def test_a_tail_ends_in_order_with_the_process(service_folder: Path) -> None:
    received: list[Any] = []
    begun = threading.Event()
    with running_service(service_folder) as service:
        url, headers = f"{service.url}/v1/predictions", service.administrator

        def follow() -> None:
            with httpx2.stream("GET", f"{url}/tail", headers=headers, timeout=30) as answer:
                for line in answer.iter_lines():
                    if line.startswith("data:"):
                        received.append(json.loads(line.removeprefix("data:")))
                    begun.set()

        following = threading.Thread(target=follow)
        following.start()
        assert begun.wait(20)
        event = make_event()
        assert httpx2.post(url, json=event, headers=headers, timeout=30).status_code == 201
        deadline = time.monotonic() + 30
        while not received and time.monotonic() < deadline:
            time.sleep(0.01)
        assert service.end(signal.SIGTERM) == 0
        following.join(30)
        assert not following.is_alive()
        log = service.log.read_text()
    assert [entry.get("prediction_id") for entry in received] == [event["prediction_id"], None]
    assert received[-1]["code"] == "leaving"
    assert "graceful shutdown exceeded" not in log, "it waited for a stream that has no end"
