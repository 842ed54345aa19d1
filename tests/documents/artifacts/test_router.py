"""Artifacts at our addresses: upload, download, conditions, lists, removal."""

import base64
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from gridfs import GridFSBucket
from pymongo import MongoClient

from service.auth.artifact_owners import ArtifactRoot
from service.documents.artifacts.documents import CHUNK_BYTES
from service.main import State
from service.settings import Settings
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
    assert (
        answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    )
    assert (await client.head(address)).headers["content-length"] == str(size)
    file = await state["mongo"].database["artifacts.files"].find_one({})
    assert file is not None
    assert file["length"] == size
    chunks = state["mongo"].database["artifacts.chunks"].find({"files_id": file["_id"]})
    found = [chunk async for chunk in chunks.sort("n", 1)]
    assert b"".join(chunk["data"] for chunk in found) == data
    assert all(len(chunk["data"]) == file["chunkSize"] for chunk in found[:-1])


async def test_upload_replaces_the_file_as_a_whole(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    address = ours(root, "a.txt")
    first = await put(client, address, b"long " * 500_000)
    second = await put(client, address, b"short")
    assert second["created_at"] == first["created_at"]
    assert (await client.get(address)).content == b"short"


async def test_paths_of_any_text_are_kept(client: httpx2.AsyncClient, root: ArtifactRoot) -> None:
    names = ["ünï/💡 x.txt", "a b/c", "100%.csv", "a?b", "line\nbreak", "a%20b", "x=1&y"]
    for name in names:
        address = ours(root, quote(name))
        await put(client, address, name.encode())
        assert (await client.get(address)).content == name.encode()
    page = (await client.get(ours(root))).json()["items"]
    assert {item["path"] for item in page} == {name.partition("/")[0] for name in names}


@pytest.mark.parametrize("path", ["a/%252e%252e/b", "%2Fetc", "%255Cx", "a%23b", "a/", "%00"])
async def test_path_that_leaves_its_root_is_refused(
    path: str, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    url = httpx2.URL("http://polystore").copy_with(raw_path=f"{ours(root)}/{path}".encode())
    for method in ("GET", "PUT", "DELETE"):
        assert (await client.request(method, url)).status_code == 400, method
    listed = await client.get(f"{ours(root)}?path={path.removesuffix('/')}%5C")
    assert listed.status_code in (400, 422)


async def test_wrong_digest_stores_nothing(client: httpx2.AsyncClient, root: ArtifactRoot) -> None:
    address = ours(root, "a")
    right = base64.b64encode(hashlib.sha256(b"right").digest()).decode()
    for header in ("Content-Digest", "Repr-Digest"):
        headers = {header: f"md5=:abc=:, sha-256=:{right}:"}
        answer = await client.put(address, content=b"wrong", headers=headers)
        assert answer.json()["code"] == "digest_mismatch"
        assert (await client.get(address)).status_code == 404
        await put(client, address, b"right", **headers)
        await client.delete(address)


async def test_if_match_and_if_none_match_decide_a_put(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    address = ours(root, "a")
    assert (await client.put(address, content=b"1", headers={"If-Match": "*"})).status_code == 412
    first = await put(client, address, b"1", **{"If-None-Match": "*"})
    refused = [
        {"If-None-Match": "*"},
        {"If-Match": '"x"'},
        {"If-None-Match": f'"{first["sha256"]}"'},
    ]
    for headers in refused:
        assert (await client.put(address, content=b"2", headers=headers)).status_code == 412
    weak = {"If-Match": f'W/"{first["sha256"]}"'}
    assert (await client.put(address, content=b"2", headers=weak)).status_code == 412
    await put(client, address, b"2", **{"If-Match": f'"{first["sha256"]}", "x"'})
    stale = {"If-Match": f'"{first["sha256"]}"'}
    assert (await client.delete(address, headers=stale)).status_code == 412
    assert (await client.get(address)).content == b"2"
    await client.delete(address)
    await put(client, address, b"3", **{"If-None-Match": "*"})


async def test_copy_that_is_good_gets_304(client: httpx2.AsyncClient, root: ArtifactRoot) -> None:
    etag = f'"{(await put(client, ours(root, "a")))["sha256"]}"'
    for header in (etag, "*", f'"x", W/{etag}', f'{etag[:-1]}-gzip"'):
        answer = await client.get(ours(root, "a"), headers={"If-None-Match": header})
        assert answer.status_code == 304, header
    assert (await client.get(ours(root, "a"), headers={"If-None-Match": '"x"'})).status_code == 200


async def test_if_match_of_a_download_compares_strongly(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    etag = f'"{(await put(client, ours(root, "a")))["sha256"]}"'
    for header, status in ((etag, 200), ("*", 200), ('"x"', 412), (f"W/{etag}", 412)):
        answer = await client.get(ours(root, "a"), headers={"If-Match": header})
        assert answer.status_code == status, header


@pytest.mark.parametrize("header", ["bytes=2-4", "bytes=10-"])
async def test_head_with_a_range_describes_the_whole_file(
    header: str, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, ours(root, "a"), b"0123456789")
    answer = await client.head(ours(root, "a"), headers={"Range": header})
    assert (answer.status_code, answer.headers["content-length"]) == (200, "10")
    assert "content-range" not in answer.headers


RANGES = [
    ("bytes=0-0", 0, 1), ("bytes=2-4", 2, 5), ("BYTES=8-", 8, 10), ("bytes=-3", 7, 10),
    ("bytes=-99", 0, 10), ("bytes=5-99", 5, 10), ("bytes= 1-2 ", 1, 3),
]  # fmt: skip


@pytest.mark.parametrize(("header", "begin", "end"), RANGES)
async def test_range_is_answered_with_its_bytes(
    header: str, begin: int, end: int, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    data = b"0123456789"
    await put(client, ours(root, "a"), data)
    headers = {"Range": header, "Accept-Encoding": "gzip, br, zstd"}
    answer = await client.get(ours(root, "a"), headers=headers)
    assert answer.status_code == 206
    assert answer.content == data[begin:end]
    assert answer.headers["content-range"] == f"bytes {begin}-{end - 1}/10"
    assert answer.headers["content-length"] == str(end - begin)
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=999999999999999999-"]
)
async def test_range_behind_the_end_is_416(
    header: str, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, ours(root, "a"), b"0123456789")
    answer = await client.get(ours(root, "a"), headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,4-5",
        "lines=1-2",
        "bytes=-",
        "bytes=5-2",
        "bytes",
        "bytes=a-b",
        "bytes=" + 30 * "9",
    ],
)
async def test_range_that_cannot_be_read_is_ignored(
    header: str, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, ours(root, "a"), b"0123456789")
    answer = await client.get(ours(root, "a"), headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, b"0123456789")


async def test_ranges_across_chunks_join_to_the_file(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    data, step = os.urandom(4 * CHUNK_BYTES + 7), 700_001
    etag = f'"{(await put(client, ours(root, "a"), data))["sha256"]}"'
    parts = []
    for begin in range(0, len(data), step):
        headers = {"Range": f"bytes={begin}-{begin + step - 1}", "If-Range": etag}
        parts.append((await client.get(ours(root, "a"), headers=headers)).content)
    assert b"".join(parts) == data


@pytest.mark.parametrize("other", ['"x"', 'W/"x"', "Sat, 28 Nov 2026 00:00:00 GMT"])
async def test_if_range_of_another_version_gets_the_whole_file(
    other: str, client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, ours(root, "a"), b"0123456789")
    headers = {"Range": "bytes=0-1", "If-Range": other}
    assert (await client.get(ours(root, "a"), headers=headers)).status_code == 200


async def test_uploaded_page_runs_no_script_on_our_origin(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, ours(root, 'x/"é";.html'), b"<script>alert(1)</script>")
    headers = (await client.get(ours(root, 'x/"é";.html'))).headers
    assert headers["content-type"].startswith("text/html")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "script" not in headers["content-security-policy"]
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''%22%C3%A9%22%3B.html"


async def test_list_pages_show_each_child_of_a_folder_once(
    client: httpx2.AsyncClient, root: ArtifactRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.documents.artifacts.repository.BATCH", 3)
    files = ["b.txt", "b/1", "b/2", "b/3", "b/4/5", "b0", "a/x", "c-d/x", "c/x/y", "c/x/z", "é"]
    for name in files:
        await put(client, ours(root, f"top/{name}"), name.encode())
    await put(client, ours(root, "topic"))
    for limit in (1, 2, 100):
        query: dict[str, Any] | None = {"path": "top", "limit": limit}
        found: list[tuple[str, bool]] = []
        while query is not None:
            page = (await client.get(ours(root), params=query)).json()
            found += [(item["path"], item["is_folder"]) for item in page["items"]]
            cursor = page["page"]["next_cursor"]
            query = None if cursor is None else {**query, "cursor": cursor}
        assert found == [
            ("top/a", True), ("top/b.txt", False), ("top/b", True), ("top/b0", False),
            ("top/c-d", True), ("top/c", True), ("top/é", False),
        ]  # fmt: skip
    top = (await client.get(ours(root))).json()["items"]
    assert [(item["path"], item["size"]) for item in top] == [("top", None), ("topic", 1)]


async def test_removed_folder_leaves_its_neighbours(
    client: httpx2.AsyncClient, root: ArtifactRoot, owners: KnownOwners
) -> None:
    other = owners.add()
    for path in ("m/a", "m/b/c", "m.txt", "m0", "mm/x"):
        await put(client, ours(root, path))
    await put(client, ours(other, "m/a"))
    assert (await client.delete(ours(root, "m"))).status_code == 204
    assert (await client.delete(ours(root, "m"))).status_code == 404
    assert (await client.get(ours(root, "m/b/c"))).status_code == 404
    left = (await client.get(ours(root))).json()["items"]
    assert [item["path"] for item in left] == ["m.txt", "m0", "mm"]
    assert (await client.get(ours(other, "m/a"))).status_code == 200


async def test_logged_models_have_artifacts_too(
    client: httpx2.AsyncClient, owners: KnownOwners
) -> None:
    model = owners.add("model")
    await put(client, ours(model, "MLmodel"), b"flavors:")
    assert (await client.get(ours(model, "MLmodel"))).content == b"flavors:"
    assert len((await client.get(ours(model))).json()["items"]) == 1
    assert (await client.get(f"/v1/runs/{model.owner_id}/artifacts")).status_code == 404
    assert (await client.delete(ours(model, "MLmodel"))).status_code == 204


async def test_owners_decide_who_reads_and_writes(
    client: httpx2.AsyncClient, root: ArtifactRoot, owners: KnownOwners
) -> None:
    address = ours(root, "a")
    await put(client, address)
    owners.readable = {root.owner_id}
    assert (await client.put(address, content=b"x")).status_code == 403
    assert (await client.delete(address)).status_code == 403
    assert (await client.get(address)).status_code == 200
    owners.readable, owners.deleted = set(), {root.owner_id}
    assert (await client.put(address, content=b"x")).status_code == 422
    owners.roots.clear()
    for method in ("GET", "PUT", "DELETE"):
        assert (await client.request(method, address)).status_code == 404
    assert (await client.get(ours(root))).status_code == 404
    owners.is_down = True
    assert (await client.get(address)).status_code == 503


async def test_file_larger_than_the_limit_is_refused(
    client: httpx2.AsyncClient,
    root: ArtifactRoot,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(2):
            yield b"x" * CHUNK_BYTES

    limited = state["settings"].model_copy(update={"max_artifact_bytes": 2 * CHUNK_BYTES - 1})
    monkeypatch.setitem(state, "settings", limited)
    for content in (b"x" * 2 * CHUNK_BYTES, body()):  # with and without a Content-Length
        answer = await client.put(ours(root, "a"), content=content)
        assert answer.status_code == 413
        assert answer.headers["connection"] == "close"
    await put(client, ours(root, "a"), b"x" * (2 * CHUNK_BYTES - 1))


async def test_gridfs_of_the_driver_reads_the_newest_content(
    client: httpx2.AsyncClient, root: ArtifactRoot, settings: Settings
) -> None:
    await put(client, ours(root, "a/b.bin"), b"old")
    data = os.urandom(2 * CHUNK_BYTES + 5)
    await put(client, ours(root, "a/b.bin"), data)
    assert settings.mongodb_url is not None
    name = f"{root.experiment_id.hex}/{root.owner_id.hex}/artifacts/a/b.bin"
    with MongoClient[Any](settings.mongodb_url.get_secret_value(), tz_aware=True) as driver:
        codec: CodecOptions[Any] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)
        database = driver.get_database(settings.mongodb_database, codec_options=codec)
        bucket = GridFSBucket(database, bucket_name="artifacts")
        assert bucket.open_download_stream_by_name(name).read() == data
