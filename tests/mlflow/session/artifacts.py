"""Artifacts of runs: up, down, listed."""

import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tests.mlflow.session import views
from tests.mlflow.session.steps import Session, step


def listed(s: Session, run: str, path: str | None = None) -> Any:
    return [views.file(found) for found in s.client.list_artifacts(run, path)]


@step()
def text_and_dict(s: Session) -> Any:
    run = s.new_run()
    s.client.log_text(run, "é ☃\n", "note.txt")
    s.client.log_dict(run, {"a": [1, None]}, "deep/er/data.json")
    root = s.run(run).info.artifact_uri
    texts = [mlflow.artifacts.load_text(f"{root}/note.txt")]
    return [texts, mlflow.artifacts.load_dict(f"{root}/deep/er/data.json"), listed(s, run)]


@step()
def folders(s: Session) -> Any:
    run = s.new_run()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.txt", "sub/b.txt", "sub/deep/c.bin"):
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(name.encode() * 10)
        s.client.log_artifacts(run, folder, "up")
        s.client.log_artifact(run, str(Path(folder, "a.txt")))
    paths = (None, "up", "up/sub", "up/sub/deep", "up/a.txt", "no")
    return {str(path): listed(s, run, path) for path in paths}


@step()
def folder_comes_back(s: Session) -> Any:
    run = s.new_run()
    for name in ("m/one.txt", "m/in/two.txt"):
        s.client.log_text(run, name, name)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(s.client.download_artifacts(run, "m", folder))
        return {str(p.relative_to(top)): p.read_text() for p in sorted(top.rglob("*.txt"))}


@step()
def odd_names(s: Session) -> Any:
    run = s.new_run()
    names = [
        "a b.txt",
        "é☃.txt",
        "100%.txt",
        "a+b&c=d.txt",
        "q?.txt",
        "%41.txt",
        "dir with space/x.txt",
        "a:b;c.txt",
    ]
    found = {}
    root = s.run(run).info.artifact_uri
    for name in names:
        s.client.log_text(run, name, name)
        if "?" not in name:
            s.attempt(
                lambda name=name: found.update({name: mlflow.artifacts.load_text(f"{root}/{name}")})
            )
    return [found, listed(s, run), listed(s, run, "dir with space")]


@step()
def overwritten_and_empty(s: Session) -> Any:
    run = s.new_run()
    for text in ("long text", "short", ""):
        s.client.log_text(run, text, "file.txt")
    return [listed(s, run), mlflow.artifacts.load_text(f"{s.run(run).info.artifact_uri}/file.txt")]


@step()
def bytes_are_exact(s: Session) -> Any:
    run, content = s.new_run(), bytes(range(256)) * 8192
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "b.bin")
        path.write_bytes(content)
        s.client.log_artifact(run, str(path))
        back = Path(
            s.client.download_artifacts(run, "b.bin", tempfile.mkdtemp(dir=folder))
        ).read_bytes()
    return [back == content, listed(s, run)]


@step()
def missing_file(s: Session) -> Any:
    return s.attempt(s.client.download_artifacts, s.new_run(), "no.txt") != "accepted"


@step()
def nothing_logged(s: Session) -> Any:
    run = s.new_run()
    return [listed(s, run), listed(s, run, "x")]


@step()
def paths_that_leave_the_run(s: Session) -> Any:
    run = s.new_run()
    paths = ("../x.txt", "/x.txt", "a/../../x.txt", "..%2fx.txt", "%2e%2e/x.txt")
    return {path: s.attempt(s.client.log_text, run, "x", path) != "accepted" for path in paths}


@step(differs="a backslash is a separator elsewhere, so it is refused everywhere", right=True)
def backslash_in_a_path(s: Session) -> Any:
    return s.attempt(s.client.log_text, s.new_run(), "x", "a\\..\\x.txt") != "accepted"


@step()
def deleted_by_their_repository(s: Session) -> Any:
    run = s.new_run()
    for name in ("d/one.txt", "d/two.txt", "e.txt"):
        s.client.log_text(run, name, name)
    repository = get_artifact_repository(s.run(run).info.artifact_uri)
    return [
        [s.attempt(repository.delete_artifacts, path), listed(s, run), listed(s, run, "d")]
        for path in ("d/one.txt", "d", "d")
    ]
