"""Artifacts at MLflow's addresses."""

from typing import Any

import httpx2
import pytest

from service.auth.artifact_owners import ArtifactRoot
from service.documents.artifacts import list_folder
from tests.documents.artifacts.owners import MLFLOW, KnownOwners, folder, ours


async def put(
    client: httpx2.AsyncClient, root: ArtifactRoot, path: str, data: bytes = b"a"
) -> None:
    answer = await client.put(f"{MLFLOW}/{folder(root)}/{path}", content=data)
    assert (answer.status_code, answer.json()) == (200, {})


async def listed(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(MLFLOW, params={"path": path, "unknown": "1"})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("kind", ["run", "model"])
async def test_file_comes_back_and_is_listed_by_base_name(
    kind: Any, client: httpx2.AsyncClient, owners: KnownOwners
) -> None:
    root = owners.add(kind)
    await put(client, root, "model/MLmodel", b"flavors: {}")
    await put(client, root, "z é.txt", b"12345")
    await put(client, root, "a.txt")
    await put(client, root, "empty", b"")
    answer = await client.get(f"/ajax-api/2.0/mlflow-artifacts/artifacts/{folder(root)}/z é.txt")
    assert answer.content == b"12345"
    ranged = {"Range": "bytes=1-2"}
    part = await client.get(f"{MLFLOW}/{folder(root)}/z é.txt", headers=ranged)
    assert (part.status_code, part.content) == (206, b"23")
    assert await listed(client, folder(root)) == {
        "files": [
            {"path": "a.txt", "is_dir": False, "file_size": 1},
            {"path": "empty", "is_dir": False},
            {"path": "model", "is_dir": True},
            {"path": "z é.txt", "is_dir": False, "file_size": 5},
        ]
    }
    below = await listed(client, f"{folder(root)}/model/")
    assert below == {"files": [{"path": "MLmodel", "is_dir": False, "file_size": 11}]}


async def test_file_and_unknown_folder_have_no_files(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    await put(client, root, "a.txt")
    for path in (f"{folder(root)}/a.txt", f"{folder(root)}/none", "0", "", root.experiment_id.hex):
        assert await listed(client, path) == {}


async def test_missing_file_is_404_with_a_code(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    for path in (f"{folder(root)}/none", folder(root), "x/y", f"0/{root.owner_id.hex}/artifacts/a"):
        answer = await client.get(f"{MLFLOW}/{path}")
        assert answer.status_code == 404
        assert answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


async def test_list_of_too_many_entries_is_refused(
    client: httpx2.AsyncClient, root: ArtifactRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        await put(client, root, name)
    for most, status in ((3, 200), (2, 400)):
        monkeypatch.setattr(list_folder, "MAX_LISTED", most)
        answer = await client.get(MLFLOW, params={"path": folder(root)})
        assert answer.status_code == status


async def test_longest_path_has_an_address_of_mlflow_too(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    for length, status in ((1024, 200), (1025, 400)):
        address = f"{MLFLOW}/{folder(root)}/{'x' * length}"
        assert (await client.put(address, content=b"a")).status_code == status


async def test_removal_is_idempotent_and_takes_folders(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    for path in ("m/a", "m/b/c", "m.txt", "n"):
        await put(client, root, path)
    for _ in range(2):
        answer = await client.delete(f"{MLFLOW}/{folder(root)}/m")
        assert (answer.status_code, answer.json()) == (200, {})
    names = [file["path"] for file in (await listed(client, folder(root)))["files"]]
    assert names == ["m.txt", "n"]
    await client.delete(f"{MLFLOW}/{folder(root)}")
    assert await listed(client, folder(root)) == {}


async def test_paths_below_a_run_and_a_model_are_listed_whole(
    client: httpx2.AsyncClient, owners: KnownOwners
) -> None:
    run, model = owners.add(), owners.add("model")
    for root in (run, model):
        await put(client, root, "data/x/y.csv")
        await put(client, root, "data/z.csv")
    query = {"run_id": run.owner_id.hex, "path": "data"}
    found = (await client.get("/api/2.0/mlflow/artifacts/list", params=query)).json()
    assert found == {
        "root_uri": f"mlflow-artifacts:/{folder(run)}",
        "files": [
            {"path": "data/x", "is_dir": True},
            {"path": "data/z.csv", "is_dir": False, "file_size": 1},
        ],
    }
    address = f"/api/2.0/mlflow/logged-models/m-{model.owner_id.hex}/artifacts/directories"
    query = {"artifact_directory_path": "data/x"}
    found = (await client.get(address, params=query)).json()
    assert found["root_uri"] == f"mlflow-artifacts:/{folder(model)}"
    assert found["files"] == [{"path": "data/x/y.csv", "is_dir": False, "file_size": 1}]
    owners.locations[run.experiment_id] = "s3://bucket/e"
    query = {"run_id": run.owner_id.hex}
    found = (await client.get("/api/2.0/mlflow/artifacts/list", params=query)).json()
    assert found["root_uri"] == f"s3://bucket/e/{run.owner_id.hex}/artifacts"
    query = {"run_id": run.owner_id.hex, "path": "data/z.csv"}
    assert (await client.get("/get-artifact", params=query)).content == b"a"
    errors: list[tuple[dict[str, Any], int, str]] = [
        ({"headers": {"Range": "bytes=9-"}, "params": query}, 416, "BAD_REQUEST"),
        ({"params": {**query, "path": "none"}}, 404, "RESOURCE_DOES_NOT_EXIST"),
    ]
    for options, status, code in errors:
        answer = await client.get("/get-artifact", **options)
        assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "mpu/create/0/x"), ("POST", "mpu/complete/0/x"), ("GET", "presigned/0/x")],
)
async def test_multipart_is_not_implemented(
    method: str, path: str, client: httpx2.AsyncClient
) -> None:
    answer = await client.request(method, f"/api/2.0/mlflow-artifacts/{path}")
    assert answer.status_code == 501
    assert answer.json()["error_code"] == "NOT_IMPLEMENTED"


async def test_owners_decide_who_reads_and_writes(
    client: httpx2.AsyncClient, root: ArtifactRoot, owners: KnownOwners
) -> None:
    address = f"{MLFLOW}/{folder(root)}/a"
    await put(client, root, "a")
    owners.readable = {root.owner_id}
    for method in ("PUT", "DELETE"):
        assert (await client.request(method, address)).status_code == 403
    assert (await client.get(address)).status_code == 200
    owners.readable, owners.deleted = set(), {root.owner_id}
    assert (await client.put(address)).status_code == 400
    elsewhere = address.replace(root.experiment_id.hex, "0")
    owners.deleted = set()
    for method in ("GET", "PUT", "DELETE"):
        assert (await client.request(method, elsewhere)).status_code == 404
    owners.is_down = True
    down = [("GET", address), ("PUT", address), ("DELETE", address)]
    for method, url in [*down, ("GET", f"{MLFLOW}?path={folder(root)}")]:
        assert (await client.request(method, url)).status_code == 503


async def test_paths_that_leave_their_root_are_400(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    for path in ("%252e%252e/x", "a%255Cb", "a%23b"):
        for method in ("GET", "PUT", "DELETE"):
            answer = await client.request(method, f"{MLFLOW}/{folder(root)}/{path}")
            assert answer.status_code == 400, (method, path)
            assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert (await client.get(ours(root))).json()["items"] == []
