"""Signatures from before a change of the secret stay valid."""

import httpx2
import pytest
from fastapi import FastAPI

from service.core.signing import SIGNATURE_BYTES, Signer
from service.documents.predictions.tail.resume_tokens import ResumeTokens
from service.main import State
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.relational.users.factories import make_users

OLD, NEW = b"the old secret", b"the new secret"


def test_signer_first_secret_signs_and_each_verifies() -> None:
    old, both = Signer([OLD]), Signer([NEW, OLD])
    assert len(both.sign(b"x")) == SIGNATURE_BYTES
    assert both.sign(b"x") == Signer([NEW]).sign(b"x")
    assert both.verify(old.sign(b"x"), b"x")
    assert not both.verify(old.sign(b"x"), b"y")
    assert not old.verify(both.sign(b"x"), b"x")
    assert ResumeTokens(both).read(ResumeTokens(old).write({"_data": "82AA"})) == {"_data": "82AA"}


@pytest.mark.parametrize(
    ("path", "body"), [("/v1/tags", {"name": "x"}), ("/v1/items", {"name": "x"})]
)
async def test_idempotency_key_survives_a_new_secret(
    client: httpx2.AsyncClient, app: FastAPI, state: State, path: str, body: dict[str, str]
) -> None:
    key = {"Idempotency-Key": "once"}
    created = (await client.post(path, json=body, headers=key)).json()
    changed = {**state, "signer": Signer([NEW, *state["settings"].signing_secrets()])}
    async with client_as(ADMINISTRATOR, app, changed) as later:
        again = await later.post(path, json=body, headers=key)
        other = await later.post(path, json={"name": "y"}, headers=key)
    assert (again.status_code, again.json()) == (201, created)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_cursor_survives_a_new_secret(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    await make_users(client, {}, {}, {})
    cursor = (await client.get("/v1/users?limit=1")).json()["page"]["next_cursor"]
    before = state["settings"].signing_secrets()
    for secrets, status in (([NEW, *before], 200), ([NEW], 400)):
        changed = {**state, "signer": Signer(secrets)}
        async with client_as(ADMINISTRATOR, app, changed) as later:
            response = await later.get("/v1/users", params={"limit": 1, "cursor": cursor})
        assert response.status_code == status
