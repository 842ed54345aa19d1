"""Addresses of versions: what they name, and how they are read."""

import pytest

from service.relational.model_registry.sources import (
    Registered,
    SourceInvalid,
    address_of,
    registered_source,
    require_owner,
)

ROOT = "mlflow-artifacts:/0/abc/artifacts"
LOGGED = "m-" + "0" * 32


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("models:/fraud/3", Registered("fraud", "3", is_alias=False)),
        ("models:/fraud@best", Registered("fraud", "best", is_alias=True)),
        ("models:/a b@best", Registered("a b", "best", is_alias=True)),
        ("models:/fraud@5", Registered("fraud", "5", is_alias=True)),
        ("models:/fraud@b/1", Registered("fraud@b", "1", is_alias=False)),
        ("models:/a@b@5", Registered("a@b", "5", is_alias=True)),
        (f"models:/{LOGGED}", LOGGED),
        (f"models:/{LOGGED}/1", Registered(LOGGED, "1", is_alias=False)),
        ("s3://models/fraud", None),
    ],
)
def test_registered_source_is_read(source: str, named: object) -> None:
    assert registered_source(source) == named


@pytest.mark.parametrize(
    "source",
    [
        "models:/",
        "models:/a",
        "models:/a/",
        "models:/a/b/1",
        "models:/a:b/1",
        "models:/a@",
        "models:/@a",
    ],
)
def test_registered_source_that_names_nothing_is_refused(source: str) -> None:
    with pytest.raises(SourceInvalid):
        registered_source(source)


@pytest.mark.parametrize(
    ("source", "root"),
    [
        ("mlflow-artifacts:/0/abc/artifacts/a%20b", ROOT),
        ("mlflow-artifacts:/0//abc/artifacts/", ROOT),
        ("MLFLOW-ARTIFACTS:/0/abc/artifacts", ROOT),
        ("/data/abc/artifacts/model", "/data/abc/artifacts"),
        ("file:///data/abc/artifacts/model", "file:///data/abc/artifacts"),
    ],
)
def test_source_below_the_root_is_allowed(source: str, root: str) -> None:
    require_owner(address_of(source), "abc", root, None)
    require_owner(address_of(source), None, None, root)


@pytest.mark.parametrize(
    "source",
    [
        "mlflow-artifacts:/0/abc/artifactsX", "mlflow-artifacts:/0/abc", "mlflow-artifacts:/",
        "mlflow-artifacts://other/0/abc/artifacts", "/data/abc/artifacts", "relative",
        "https://h/x/api/2.0/mlflow-artifacts/artifacts/0/abc/artifacts",
        "https://h/api/2.0/mlflow%2Dartifacts/artifacts/0/abc/artifacts",
    ],
)  # fmt: skip
def test_source_beside_the_root_is_refused(source: str) -> None:
    for run_root, model_root in ((ROOT, None), (None, ROOT), (None, None)):
        with pytest.raises(SourceInvalid):
            require_owner(address_of(source), "abc", run_root, model_root)


@pytest.mark.parametrize(
    "source",
    [
        "s3://b/../c", "s3://b/%2e%2E/c", "s3://b/%25252e%25252e/c", "x:..%5cy", "a%00", "http://[",
        "s3://b/.\t./c", "s3://b/.\n./c", "s3://b/.%0D./c", "s3://b/\x7f", " ../c",
    ],
)  # fmt: skip
def test_address_that_climbs_is_refused(source: str) -> None:
    with pytest.raises(SourceInvalid):
        address_of(source)


def test_address_encoded_too_often_is_refused() -> None:
    with pytest.raises(SourceInvalid):
        address_of("s3://b/%" + "25" * 20 + "2e")
