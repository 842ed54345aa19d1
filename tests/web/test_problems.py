"""Every error has one shape, points to the invalid field, and never repeats the input."""

import json
from typing import Any

import httpx2
import pytest

from service.core.errors import Conflict, ServiceError, Unavailable, field_error
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
def test_pointer_follows_rfc_6901(parts: tuple[object, ...], pointer: str) -> None:
    assert pointer_to(parts) == pointer


def test_problem_has_all_members_of_rfc_9457() -> None:
    class CupBroken(Conflict):
        code, title, detail = "cup_broken", "The cup is broken", "Take another."
        pointer = "/cup"

    response = problem(CupBroken(headers={"Retry-After": "7"}), "/v1/cups")
    assert (response.status_code, response.media_type) == (409, "application/problem+json")
    assert response.headers["retry-after"] == "7"
    assert json.loads(bytes(response.body)) == {
        "type": "https://polystore.dev/problems/cup-broken",
        "title": "The cup is broken",
        "status": 409,
        "detail": "Take another.",
        "instance": "/v1/cups",
        "code": "cup_broken",
        "request_id": "",
        "errors": [{"pointer": "/cup", "code": "cup_broken", "detail": "Take another."}],
    }


@pytest.mark.parametrize("key", ["a", "é" * 5000, "\ud83d" * 5000, "\x01" * 5000, "/" * 900])
def test_problem_with_a_thousand_errors_is_under_4_kb(key: str) -> None:
    many = [field_error(pointer_to((n, key)), "unknown", f"Remove {key}.") for n in range(1000)]
    body = bytes(problem(Conflict(key, errors=many), f"/{key}").body)
    read = json.loads(body)
    assert len(body) < 4096
    assert read["errors"] == many[: len(read["errors"])]
    assert len(read["errors"]) + read["errors_left_off"] == 1000


def test_pointer_replaces_what_utf_8_cannot_encode() -> None:
    assert pointer_to(("a", "\ud83d", "😀")) == "/a/\ufffd/😀"


def test_unavailable_has_retry_after() -> None:
    assert Unavailable().headers["Retry-After"] == "1"
    assert Unavailable("later", retry_after=30).headers["Retry-After"] == "30"


def test_constraint_names_its_error_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServiceError, "by_constraint", dict(ServiceError.by_constraint))

    class TwoNames(Conflict):
        constraints = ("uq_one", "uq_two")

    class Heir(TwoNames):
        """Inherits what it guards and does not take it away from its parent."""

    assert ServiceError.by_constraint["uq_one"] is ServiceError.by_constraint["uq_two"] is TwoNames
    assert Heir().status == 409


def test_pointer_outside_of_the_body_names_its_place() -> None:
    found = invalid_input(
        [
            {"loc": ("body", "items", 0), "type": "missing", "msg": "Field required"},
            {"loc": ("path", "item_id"), "type": "uuid_parsing", "msg": "bad"},
            {"loc": (), "type": "value_error", "msg": "bad"},
        ]
    )
    assert found.status == 422
    assert [error["pointer"] for error in found.errors] == ["/items/0", "/path/item_id", ""]


async def test_unknown_address_is_404(client: httpx2.AsyncClient) -> None:
    for path in ("/v1", "/v1/nothing", "/v1//items", "/../etc/passwd"):
        response = await client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "no_such_address"), path
        assert response.json()["instance"] == response.request.url.path


@pytest.mark.parametrize("method", ["PUT", "TRACE", "OPTIONS", "BREW"])
@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions"])
async def test_other_method_is_405_with_all_allowed(
    client: httpx2.AsyncClient, path: str, method: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, HEAD, POST"
    assert "accept-patch" not in response.headers


@pytest.mark.parametrize("media_type", ["application/json-patch+json", "text/plain", None])
@pytest.mark.parametrize("path", ["/v1/items/x", "/v1/products/bulk"])
async def test_patch_of_another_type_is_415_and_names_the_right_ones(
    client: httpx2.AsyncClient, path: str, media_type: str | None
) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    refused = await client.patch(path, content=b"[]", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    others = await client.options(path)
    for answer in (refused, others):
        accepted = answer.headers["accept-patch"]
        assert accepted == "application/merge-patch+json, application/json"


async def test_merge_patch_is_accepted_and_json_patch_never(client: httpx2.AsyncClient) -> None:
    item = (await client.post("/v1/items", json={"name": "x"})).json()
    for media_type, status in [
        ("application/merge-patch+json", 200),
        ("application/Merge-Patch+JSON; charset=utf-8", 200),
        ("application/json-patch+json", 415),
        ("application/JSON-Patch+json; charset=utf-8", 415),
    ]:
        headers = {"Content-Type": media_type}
        changed = await client.patch(
            f"/v1/items/{item['id']}", content=b'{"name": "y"}', headers=headers
        )
        assert changed.status_code == status, media_type
    posted = await client.post("/v1/items", content=b"{}", headers=headers)
    assert posted.status_code == 415
    assert "accept-patch" not in posted.headers


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
async def test_problem_is_short_and_does_not_repeat_the_input(
    client: httpx2.AsyncClient, body: Any
) -> None:
    response = await client.post("/v1/items", json=body)
    assert response.status_code == 422
    assert len(response.content) < 4096
    assert "hunter2" not in response.text
