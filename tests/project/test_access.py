"""Every operation, as nobody, by a key without the scope, as a stranger, the owner and an admin."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.passwords import _DUMMY_HASH
from service.main import State
from tests.auth.factories import LoggedInUser, bearer, create_key, create_user
from tests.documents.predictions.cloudevents.inference_server import STRUCTURED
from tests.documents.predictions.factories import NDJSON
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.fixtures.reset import empty_stores
from tests.project.access_matrix import (
    ACCOUNT,
    CALLERS,
    COMMENT,
    EVENT,
    KEPT,
    PRODUCT,
    PROJECT,
    WALK,
    Row,
    filled,
)

FORMS = ("auth_token", "auth_revoke")
TYPED = {
    "predictions_stream": NDJSON,
    "labels_stream": NDJSON,
    "products_import": NDJSON,
    "predictions_create_cloudevents": STRUCTURED,
}


def operations(app: FastAPI) -> dict[str, tuple[str, str]]:
    """Method and address by operation."""
    return {
        operation["operationId"]: (method, path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


def test_the_table_names_every_operation(app: FastAPI) -> None:
    assert {name.split()[0] for name in WALK} == set(operations(app))


def test_every_operation_but_the_open_ones_says_which_scope_it_takes(app: FastAPI) -> None:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            row = WALK[operation["operationId"]]
            secured = [each for each in operation.get("security", ()) if each]
            assert bool(secured) == (row.nobody == 401 or path == "/v1/users"), (method, path)


async def make_world(
    app: FastAPI, state: State, anonymous_client: httpx2.AsyncClient
) -> dict[str, Any]:
    """Two members and an administrator, and what belongs to the first of them."""
    people = {
        name: await create_user(
            state, role, password_hash=_DUMMY_HASH, email=f"{name}@house.example"
        )
        for name, role in (("owner", "member"), ("stranger", "member"), ("admin", "admin"))
    }
    owner, admin = people["owner"], people["admin"]
    things: dict[str, Any] = {name: str(person.id) for name, person in people.items()}

    async def made(by: LoggedInUser, path: str, body: dict[str, Any]) -> str:
        answer = await anonymous_client.post(f"/v1{path}", json=body, headers=by.headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json().get("id") or answer.json()["prediction_id"])

    post = await made(owner, "/posts", {"title": "Seen", "published": True})
    draft = await made(owner, "/posts", {"title": "Unseen"})
    project = await made(owner, "/projects", PROJECT)
    invitation = {"email": "Stranger@house.example"}
    things |= {
        "user_id": things["owner"],
        "post_id": post,
        "draft": draft,
        "comment_id": await made(owner, f"/posts/{post}/comments", COMMENT),
        "draft_comment": await made(owner, f"/posts/{draft}/comments", COMMENT),
        "project_id": project,
        "invitation_id": await made(owner, f"/projects/{project}/invitations", invitation),
        "item_id": await made(owner, "/items", {"name": "thing"}),
        "key_id": await made(owner, "/api_keys", {"name": "k", "scopes": ["items:read"]}),
        "tag_id": await made(admin, "/tags", {"name": f"t{post[-12:]}"}),
        "category_id": await made(admin, "/categories", {"name": f"c{post[-12:]}"}),
        "product_id": (product := await made(admin, "/products", filled(PRODUCT, things))),
        "order_id": await made(
            owner, "/orders", {"lines": [{"product_id": product, "quantity": 1}]}
        ),
        "prediction_id": await made(admin, "/predictions", filled(EVENT, things)),
        "name": "device",
        "model": "kept",
        "version": "1",
    }
    bank = await made(admin, "/accounts", {**ACCOUNT, "may_overdraw": True})
    account = await made(owner, "/accounts", ACCOUNT)
    ends = {"from_account_id": bank, "to_account_id": account}
    back = {"from_account_id": account, "to_account_id": bank}
    await made(admin, "/transfers", {**ends, "amount": "100.00"})
    things |= {
        "bank": bank,
        "account_id": account,
        "empty_account": await made(owner, "/accounts", ACCOUNT),
        "transfer_id": await made(admin, "/transfers", {**ends, "amount": "1.00"}),
        "sent_transfer": await made(owner, "/transfers", {**back, "amount": "0.01"}),
    }
    async with client_as(ADMINISTRATOR, app, state) as everything:
        schema = {"json_schema": {"type": "object"}}
        assert (await everything.put("/v1/item_types/device", json=schema)).status_code == 200
        for path in ("/v1/models/kept", "/v1/models/kept/versions/1"):
            assert (await everything.put(f"{path}/retention", json=KEPT)).status_code == 200
    return {**things, "people": people}


async def headers_of(caller: str, world: dict[str, Any], state: State, name: str) -> dict[str, str]:
    if caller == "nobody":
        return {}
    if caller == "key":
        scope = "metrics:read" if name.startswith("audit") else "audit:read"
        return bearer(await create_key(state, world["people"]["admin"].id, scope))
    person: LoggedInUser = world["people"][caller]
    return person.headers


def request_of(name: str, row: Row, world: dict[str, Any], app: FastAPI) -> dict[str, Any]:
    operation = name.split(maxsplit=1)[0]
    method, path = operations(app)[operation]
    address = (
        path.format(**{**world, **{part: world[of] for part, of in row.of.items()}}) + row.query
    )
    asked: dict[str, Any] = {"method": method.upper(), "url": address}
    body = None if row.body is None else filled(row.body, world)
    if operation in FORMS:
        return {**asked, "data": body}
    if operation in TYPED:
        return {**asked, "content": json.dumps(body).encode(), "headers": TYPED[operation]}
    return asked if body is None else {**asked, "json": body}


@pytest.mark.parametrize("name", WALK)
async def test_each_caller_gets_what_the_table_says(
    name: str, app: FastAPI, state: State, anonymous_client: httpx2.AsyncClient
) -> None:
    """A refused caller changes nothing: callers share a data set until one changes it."""
    row, world, wrong = WALK[name], None, []
    for caller in sorted(CALLERS, key=lambda each: getattr(row, each) < 400):
        world = world or await make_world(app, state, anonymous_client)
        asked = request_of(name, row, world, app)
        credentials = await headers_of(caller, world, state, name)
        asked["headers"] = {**asked.get("headers", {}), **credentials}
        answer = await anonymous_client.request(**asked)
        challenge = answer.headers.get("www-authenticate", "")
        silent = answer.status_code == 401 and not challenge.startswith("Bearer")
        if silent or answer.status_code != getattr(row, caller):
            wrong.append((caller, answer.status_code, answer.text))
        if answer.is_success and asked["method"] != "GET":
            await empty_stores(state)
            world = None
    assert not wrong
