"""Paths of artifacts, and the owners that MLflow's paths name."""

from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from service.auth.artifact_owners import DEFAULT_EXPERIMENT_ID, ArtifactRoot
from service.documents.artifacts.paths import (
    ArtifactNotFound,
    BadPath,
    check_folder,
    check_path,
    root_uri,
    split_path,
)

RUN = UUID("01930d6e-7a00-7000-8000-000000000001")


@pytest.mark.parametrize(
    "path",
    [
        "", "..", "a/../b", "a/%2e%2e/b", "a/%252e%252e/b", "%2e%2e", "a%2F..%2Fb", "/etc/passwd",
        "%2Fetc", "%252Fetc", "a\\b", "%5Cx", "%255Cx", "a#b", "a%23b", "a%2523b", "a//b", "a/",
        "a/./b", ".", "C:/x", "C:", "c%3A%2Fx", "a\0b", "%00", "%2500", "x" * 1025, "é" * 513,
        "a\ud800",
    ],
)  # fmt: skip
def test_path_that_leaves_its_root_is_refused(path: str) -> None:
    with pytest.raises(BadPath):
        check_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "...",
        "a/..b/c..",
        "100%",
        "%",
        "é" * 512,
        "a b",
        "a%20b",
        ".hidden",
        "ab:c",
        "a: b.png",
        "a:b;c",
    ],
)
def test_path_with_unusual_text_is_kept(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize("kind", ["run", "model"])
def test_split_path_leaves_a_long_path_its_whole_length(kind: Any) -> None:
    root = ArtifactRoot(RUN, kind, RUN)
    folder, longest = root_uri(root).partition("/")[2], "x" * 1024
    assert split_path(f"{folder}/{longest}") == (root, longest)


def test_folder_may_be_empty_or_end_with_a_slash() -> None:
    assert check_folder("") == ""
    assert check_folder("a/b/") == "a/b"
    with pytest.raises(BadPath):
        check_folder("//")


@pytest.mark.parametrize("kind", ["run", "model"])
@pytest.mark.parametrize("experiment", [DEFAULT_EXPERIMENT_ID, uuid7()])
@pytest.mark.parametrize("below", ["", "a", "models/x/artifacts/y"])
def test_uri_of_a_root_names_its_owner(kind: str, experiment: UUID, below: str) -> None:
    root = ArtifactRoot(experiment, kind, RUN)  # type: ignore[arg-type] # one of the two
    path = root_uri(root).removeprefix("mlflow-artifacts:/")
    assert split_path(f"{path}/{below}" if below else path) == (root, below)


def test_ids_with_hyphens_name_an_owner_too() -> None:
    assert split_path(f"0/{RUN}/artifacts/a")[0].owner_id == RUN


@pytest.mark.parametrize(
    "path",
    [
        "0", f"0/{RUN.hex}", f"0/{RUN.hex}/other", "x/y/artifacts", f"0/{{{RUN}}}/artifacts",
        f"0/urn:uuid:{RUN}/artifacts", f"0/models/{RUN.hex}/artifacts", "0/models/m-1/artifacts",
        f"0/m-{RUN.hex}/artifacts", f"x/{RUN.hex}/artifacts",
    ],
)  # fmt: skip
def test_path_without_an_owner_finds_nothing(path: str) -> None:
    with pytest.raises(ArtifactNotFound):
        split_path(path)
