"""Artifacts at our addresses: upload, download, conditions, lists, removal."""

import base64
import hashlib
import os
from typing import Any

import httpx2
import pytest

from service.auth.artifact_owners import ArtifactRoot
from service.documents.artifacts.documents import CHUNK_BYTES
from service.main import State
from tests.documents.artifacts.owners import KnownOwners, ours

SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 1, 5_000_000)


async def put(client: httpx2.AsyncClient, address: str, data: bytes = b"a", **headers: str) -> Any:
    answer = await client.put(address, content=data, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("size", SIZES)
async def test_upload_of_any_size_comes_back_equal(
    size: int, client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    data, address = os.urandom(size), ours(root, "model/weights.bin")
    stored = await put(client, address, data)
    digest = hashlib.sha256(data)
    assert stored["size"] == size
    assert stored["sha256"] == digest.hexdigest()
    answer = await client.get(address)
    assert answer.content == data
    assert answer.headers["content-length"] == str(size)
    assert answer.headers["etag"] == f'"{digest.hexdigest()}"'
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert (await client.head(address)).headers["content-length"] == str(size)
    file = await state["mongo"].database["artifacts.files"].find_one({})
    assert file is not None
    assert file["length"] == size
    chunks = state["mongo"].database["artifacts.chunks"].find({"files_id": file["_id"]})
    found = [chunk async for chunk in chunks.sort("n", 1)]
    assert b"".join(chunk["data"] for chunk in found) == data
    assert all(len(chunk["data"]) == file["chunkSize"] for chunk in found[:-1])
