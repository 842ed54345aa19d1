"""Artifacts over plain HTTP: bytes in and out, ranges, lists, and paths that are refused."""

import pytest

from tests.mlflow.plain import Plain, accepted, refused

pytestmark = pytest.mark.xdist_group("mlflow")
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def root(mlflow_client: Plain) -> str:
    """Path of a run's artifacts on the route, without a slash at its end."""
    uri = mlflow_client.run(mlflow_client.new_run())["info"]["artifact_uri"]
    return str(uri.removeprefix("mlflow-artifacts:").strip("/"))


def put(client: Plain, path: str, content: bytes) -> None:
    answer = client.http.put(f"{ROUTE}/{path}", content=content)
    assert answer.status_code == 200, answer.text


def listed(client: Plain, path: str) -> list[tuple[str, bool]]:
    found = accepted(client.http.get(ROUTE, params={"path": path}))
    return [(file["path"], file["is_dir"]) for file in found.get("files", [])]


@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 5000])
def test_artifact_comes_back_byte_by_byte(mlflow_client: Plain, root: str, content: bytes) -> None:
    put(mlflow_client, f"{root}/a.bin", b"before")
    put(mlflow_client, f"{root}/a.bin", content)
    answer = mlflow_client.http.get(f"{ROUTE}/{root}/a.bin")
    assert (answer.status_code, answer.content) == (200, content)


@pytest.mark.parametrize(
    ("wanted", "start", "end"), [("0-9", 0, 10), ("990-", 990, 1000), ("-5", 995, 1000)]
)
def test_range_of_an_artifact_is_206(
    mlflow_client: Plain, root: str, wanted: str, start: int, end: int
) -> None:
    content = bytes(n % 251 for n in range(1000))
    put(mlflow_client, f"{root}/a.bin", content)
    headers = {"Range": f"bytes={wanted}"}
    answer = mlflow_client.http.get(f"{ROUTE}/{root}/a.bin", headers=headers)
    assert (answer.status_code, answer.content) == (206, content[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1000"


def test_list_has_base_names_of_one_level(mlflow_client: Plain, root: str) -> None:
    for name in ("a.txt", "d/b.txt", "d/e/c.txt"):
        put(mlflow_client, f"{root}/{name}", b"x")
    assert sorted(listed(mlflow_client, root)) == [("a.txt", False), ("d", True)]
    assert sorted(listed(mlflow_client, f"{root}/d")) == [("b.txt", False), ("e", True)]
    assert listed(mlflow_client, f"{root}/a.txt") == listed(mlflow_client, f"{root}/no") == []


def test_list_of_a_run_has_paths_below_it(mlflow_client: Plain, root: str) -> None:
    put(mlflow_client, f"{root}/d/b.txt", b"x")
    run = root.split("/")[-2]
    found = accepted(mlflow_client.get("/artifacts/list", run_id=run, path="d"))
    assert [file["path"] for file in found["files"]] == ["d/b.txt"]
    assert found["root_uri"].endswith(f"{run}/artifacts")


def test_deleted_folder_is_gone_with_what_it_holds(mlflow_client: Plain, root: str) -> None:
    for name in ("d/a.txt", "d/e/b.txt", "dd.txt"):
        put(mlflow_client, f"{root}/{name}", b"x")
    for _ in range(2):
        accepted(mlflow_client.http.delete(f"{ROUTE}/{root}/d"))
    assert listed(mlflow_client, root) == [("dd.txt", False)]


def test_missing_artifact_is_404(mlflow_client: Plain, root: str) -> None:
    answer = mlflow_client.http.get(f"{ROUTE}/{root}/no.txt")
    assert answer.status_code == 404
    assert answer.json()["error_code"] in {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}


@pytest.mark.parametrize("path", ["%2e%2e/x", "%252e%252e/x", "a/%2e%2e/%2e%2e/x", "a%5c..%5cx"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_path_that_leaves_its_folder_is_refused(
    mlflow_client: Plain, root: str, method: str, path: str
) -> None:
    refused(mlflow_client.http.request(method, f"{ROUTE}/{root}/{path}"))


def test_list_of_a_path_that_leaves_is_refused(mlflow_client: Plain, root: str) -> None:
    refused(mlflow_client.http.get(ROUTE, params={"path": f"{root}/../../x"}))


def test_name_with_spaces_and_signs_comes_back(mlflow_client: Plain, root: str) -> None:
    put(mlflow_client, f"{root}/a%20b%20%C3%A9%E2%98%83%3F.txt", b"x")
    assert listed(mlflow_client, root) == [("a b é☃?.txt", False)]
