"""A PATCH without fields changes nothing and counts no version, whichever resource it is for."""

import re
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.project.access_data import AccessData
from tests.project.access_matrix import ACCESS_MATRIX, AccessRow
from tests.project.test_access import operations

STALE = {"If-Match": '"7000"'}


@pytest.fixture(scope="module")
def access_data(state: State, module_anonymous_client: httpx2.AsyncClient) -> AccessData:
    return AccessData(state, module_anonymous_client)


def patches(app: FastAPI) -> dict[str, str]:
    """Return the address of each PATCH of one resource."""
    found = {name: path for name, (method, path) in operations(app).items() if method == "PATCH"}
    return {name: path for name, path in found.items() if path.endswith("}")}


async def test_patch_of_no_field_leaves_the_resource_as_it_is(
    app: FastAPI, access_data: AccessData, module_anonymous_client: httpx2.AsyncClient
) -> None:
    client, wrong = module_anonymous_client, []
    for name, path in patches(app).items():
        address, owner = await access_data.path(path), await access_data.headers("owner", name)
        if ACCESS_MATRIX[name].owner != 200:
            owner = await access_data.headers("admin", name)
        before = await client.get(address, headers=owner)
        etag = {"If-Match": before.headers["etag"]}
        for headers in (owner, {**owner, **etag}):
            answer = await client.patch(address, json={}, headers=headers)
            if (answer.status_code, state_of(answer)) != (200, state_of(before)):
                wrong.append((name, answer.status_code, answer.text, before.text))
        after = await client.get(address, headers=owner)
        stale = await client.patch(address, json={}, headers={**owner, **STALE})
        if (state_of(after), stale.status_code) != (state_of(before), 412):
            wrong.append((name, stale.status_code, after.text, before.text))
    assert not wrong
    assert len(patches(app)) > 8


def state_of(answer: httpx2.Response) -> tuple[Any, str | None]:
    return answer.json(), answer.headers.get("etag")


async def test_patch_of_no_field_is_refused_as_any_other(
    app: FastAPI, access_data: AccessData, module_anonymous_client: httpx2.AsyncClient
) -> None:
    client, wrong = module_anonymous_client, []
    for name, path in patches(app).items():
        row: AccessRow = ACCESS_MATRIX[name]
        address = await access_data.path(path)
        for caller in ("anonymous", "key", "other"):
            headers = await access_data.headers(caller, name)
            answer = await client.patch(address, json={}, headers=headers)
            if answer.status_code != getattr(row, caller):
                wrong.append((name, caller, answer.status_code, answer.text))
        headers = await access_data.headers("admin", name)
        missing = await client.patch(
            re.sub(r"\{\w+\}", str(uuid4()), path), json={}, headers=headers
        )
        if missing.status_code != 404:
            wrong.append((name, "unknown", missing.status_code, missing.text))
    assert not wrong


async def test_bulk_patch_of_no_field_counts_no_version(client: httpx2.AsyncClient) -> None:
    body = {"name": "Pan", "price": "1.00", "currency": "EUR"}
    items = [{**body, "sku": sku} for sku in ("one", "two")]
    made = (await client.post("/v1/products/bulk", json={"items": items})).json()["items"]
    sent = [{"id": made[0]["id"]}, {"id": made[1]["id"], "name": "Lid"}]
    changed = (await client.patch("/v1/products/bulk", json={"items": sent})).json()["items"]
    assert changed[0] == made[0]
    assert (changed[1]["name"], changed[1]["version"]) == ("Lid", 2)
    assert (await client.get(f"/v1/products/{made[0]['id']}")).json() == made[0]
