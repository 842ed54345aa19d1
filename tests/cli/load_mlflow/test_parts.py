"""Parts of ``polystore load-mlflow`` without a service: gaps of versions, times, the outcome."""

import json
from typing import Any

import httpx2
import pytest

from mongo_indexes.exit_codes import ExitCode
from service.cli.load_mlflow.copying import Copying
from service.cli.load_mlflow.experiments import moment
from service.cli.load_mlflow.outcome import Outcome
from service.cli.load_mlflow.registry import GAP_TAG, copy_registry
from service.cli.load_mlflow.server import LoadStopped, Server, pairs
from tests.fixtures.cli import run_cli


class Registry:
    """A server with one registered model, whose numbers of versions are never given again."""

    def __init__(self, *versions: int) -> None:
        self.versions: dict[int, dict[str, str]] = {}
        self.last, self.requests, self.fails_at = max(versions, default=0), 0, 0
        for version in versions:
            self.versions[version] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer a request; the answer that ``fails_at`` counts is lost."""
        name = request.url.path.removeprefix("/api/2.0/mlflow/")
        body = json.loads(request.content or b"{}")
        answer = self.answer(name, body, dict(request.url.params))
        self.requests += request.method != "GET"
        if request.method != "GET" and self.requests == self.fails_at:
            raise httpx2.ReadError("cut")
        return httpx2.Response(200, json=answer)

    def answer(self, name: str, body: Any, query: dict[str, str]) -> Any:
        model = {"name": "m"}
        number = int(body.get("version", 0))
        if name == "registered-models/search":
            return {} if "filter" in query else {"registered_models": [model]}
        if name == "registered-models/get":
            return {"registered_model": model}
        if name == "model-versions/search":
            return {"model_versions": [self.shown(number) for number in self.versions]}
        if name == "model-versions/create":
            self.last += 1
            self.versions[self.last] = pairs(body["tags"])
            return {"model_version": self.shown(self.last)}
        if name == "model-versions/delete":
            del self.versions[number]
            return {}
        if name == "model-versions/delete-tag":
            self.versions[number].pop(body["key"], None)
            return {}
        raise AssertionError(name)

    def shown(self, number: int) -> Any:
        tags = [{"key": key, "value": value} for key, value in self.versions[number].items()]
        return {"name": "m", "version": str(number), "source": f"s3://{number}", "tags": tags}


def _copy(source: Registry, target: Registry) -> Outcome:
    outcome = Outcome()
    with _client(source) as before, _client(target) as after:
        servers = Server(before, "http://source"), Server(after, "http://target")
        copy_registry(Copying(*servers, outcome, with_artifacts=True, on_run=lambda: None))
    return outcome


def _client(registry: Registry) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(registry), base_url="http://any")


def test_versions_keep_their_numbers_across_gaps() -> None:
    target = Registry()
    outcome = _copy(Registry(2, 3, 6), target)
    assert (list(target.versions), outcome.new["versions"]) == ([2, 3, 6], 3)
    requests = target.requests
    assert _copy(Registry(2, 3, 6), target).new["versions"] == 0
    assert target.requests == requests


@pytest.mark.parametrize("fails_at", range(1, 10))
def test_versions_are_the_same_after_any_cut(fails_at: int) -> None:
    target = Registry()
    target.fails_at = fails_at
    with pytest.raises(LoadStopped):
        _copy(Registry(2, 3, 6), target)
    assert _copy(Registry(2, 3, 6), target).left_out == 0
    assert list(target.versions) == [2, 3, 6]
    assert not any(GAP_TAG in tags for tags in target.versions.values())


def test_number_that_was_deleted_here_is_reported() -> None:
    target = Registry()
    target.last = 1
    outcome = _copy(Registry(1, 3), target)
    assert (list(target.versions), outcome.left_out) == ([3], 1)
    assert "the next number here is 2" in outcome.items[0]


def test_number_after_versions_deleted_here_is_kept() -> None:
    target = Registry()
    target.last = 2
    assert _copy(Registry(3), target).left_out == 0
    assert [GAP_TAG in tags for tags in target.versions.values()] == [False]


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(0, "1970-01-01T00:00:00+00:00"), ("1700000000123", "2023-11-14T22:13:20.123000+00:00")],
)
def test_moment_is_rfc_3339(milliseconds: int | str, expected: str) -> None:
    assert moment(milliseconds) == expected


def test_what_is_left_out_for_good_is_not_repeated() -> None:
    outcome = Outcome()
    outcome.leave_out("artifacts", "they are elsewhere", for_good=True)
    assert (outcome.left_out, outcome.to_repeat) == (1, 0)
    outcome.leave_out("run", "refused")
    assert (outcome.left_out, outcome.to_repeat) == (2, 1)


def test_load_of_what_is_no_server_names_it() -> None:
    result = run_cli("load-mlflow", "http://127.0.0.1:9", POLYSTORE_TOKEN="any")
    assert result.exit_code == ExitCode.FAILED, result.output
    assert "http://127.0.0.1:9" in result.stderr
