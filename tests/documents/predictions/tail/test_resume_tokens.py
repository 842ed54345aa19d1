"""Ids of tails: signed, and refused if they are not ours."""

import base64
import json

import httpx2
import pytest

from service.core.signing import Signer
from service.documents.predictions.tail.resume_tokens import BadEventId, ResumeTokens
from tests.documents.predictions.sse_client import TAIL


@pytest.mark.parametrize("last_id", ["x", "AAAA", "ü", "A" * 200, "x" * 1001])
async def test_tail_malformed_id_is_refused(client: httpx2.AsyncClient, last_id: str) -> None:
    response = await client.get(TAIL, params={"after": last_id})
    assert response.status_code == (422 if len(last_id) > 1000 else 400), response.text
    if len(last_id) < 1000:
        assert response.json()["code"] == "bad_event_id"


async def test_tail_id_signed_by_another_service_returns_400(client: httpx2.AsyncClient) -> None:
    foreign = ResumeTokens(Signer([b"another secret"])).write({"_data": "82AA"})
    response = await client.get(TAIL, headers={"Last-Event-ID": foreign})
    assert (response.status_code, response.json()["code"]) == (400, "bad_event_id")


def test_resume_token_is_read_back_as_ascii_text() -> None:
    ids = ResumeTokens(Signer([b"secret"]))
    token = {"_data": "82" + "AB" * 60}
    text = ids.write(token)
    assert ids.read(text) == token
    assert text.isascii()
    assert json.dumps(text) == f'"{text}"'


def test_resume_token_with_a_changed_bit_raises_bad_event_id() -> None:
    tokens = ResumeTokens(Signer([b"secret"]))
    raw = base64.urlsafe_b64decode(tokens.write({"_data": "82" + "AB" * 61}) + "==")
    for index in range(len(raw)):
        changed = raw[:index] + bytes([raw[index] ^ 1]) + raw[index + 1 :]
        with pytest.raises(BadEventId):
            tokens.read(base64.urlsafe_b64encode(changed).decode().rstrip("="))
