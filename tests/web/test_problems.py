"""Every refusal has one shape, says where, and never repeats what was sent."""

import json
from typing import Any

import httpx2
import pytest

from service.core.errors import MAX_ERRORS, Conflict, FieldError, ServiceError, Unavailable
from service.web.problems import invalid_input, pointer_to, problem


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ((), ""),
        (("a",), "/a"),
        (("items", 3, "a/b"), "/items/3/a~1b"),
        (("~1", "/", ""), "/~01/~1/"),
    ],
)
def test_pointers_follow_rfc_6901(parts: tuple[object, ...], pointer: str) -> None:
    assert pointer_to(parts) == pointer


def test_a_problem_names_everything_rfc_9457_asks_for() -> None:
    class CupBroken(Conflict):
        code, title, detail = "cup_broken", "The cup is broken", "Take another."
        pointer = "/cup"

    answer = problem(CupBroken(headers={"Retry-After": "7"}), "/v1/cups")
    assert (answer.status_code, answer.media_type) == (409, "application/problem+json")
    assert answer.headers["retry-after"] == "7"
    assert json.loads(bytes(answer.body)) == {
        "type": "https://polystore.dev/problems/cup-broken",
        "title": "The cup is broken",
        "status": 409,
        "detail": "Take another.",
        "instance": "/v1/cups",
        "code": "cup_broken",
        "request_id": "",
        "errors": [{"pointer": "/cup", "code": "cup_broken", "detail": "Take another."}],
    }


def test_no_more_errors_are_told_than_anybody_reads() -> None:
    many = [FieldError(pointer=f"/{n}", code="x", detail="x") for n in range(MAX_ERRORS + 5)]
    answer = problem(Conflict(errors=many), "/")
    assert len(json.loads(bytes(answer.body))["errors"]) == MAX_ERRORS


def test_a_store_that_is_away_is_worth_another_try() -> None:
    assert Unavailable().headers["Retry-After"] == "1"
    assert Unavailable("later", retry_after=30).headers["Retry-After"] == "30"


def test_a_constraint_names_its_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServiceError, "by_constraint", dict(ServiceError.by_constraint))

    class TwoNames(Conflict):
        constraints = ("uq_one", "uq_two")

    class Heir(TwoNames):
        """Inherits what it guards and does not take it away from its parent."""

    assert ServiceError.by_constraint["uq_one"] is ServiceError.by_constraint["uq_two"] is TwoNames
    assert Heir().status == 409


def test_places_outside_of_the_body_say_where() -> None:
    found = invalid_input(
        [
            {"loc": ("body", "items", 0), "type": "missing", "msg": "Field required"},
            {"loc": ("path", "item_id"), "type": "uuid_parsing", "msg": "bad"},
            {"loc": (), "type": "value_error", "msg": "bad"},
        ]
    )
    assert found.status == 422
    assert [error["pointer"] for error in found.errors] == ["/items/0", "/path/item_id", ""]


async def test_an_unknown_address_is_a_problem(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/v1//items", "/../etc/passwd"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_address"), path
        assert answer.json()["instance"] == answer.request.url.path


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions"])
async def test_another_method_is_a_problem_that_names_the_good_ones(
    client: httpx2.AsyncClient, path: str, method: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "body",
    [
        {"name": ["hunter2" * 50_000]},
        {"name": "hunter2" * 50_000},
        {"name": "x", "tags": ["hunter2" * 100] * 60},
        {"name": "x", "price": "hunter2" * 10_000},
        {"name": "x", "tags": [{"hunter2": n} for n in range(1000)]},
    ],
)
async def test_a_refusal_is_short_and_never_repeats_the_input(
    client: httpx2.AsyncClient, body: Any
) -> None:
    answer = await client.post("/v1/items", json=body)
    assert answer.status_code == 422
    assert len(answer.content) < 4096
    assert "hunter2" not in answer.text
