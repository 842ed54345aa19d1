"""Resources of the access matrix, each created when a request first names it."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import uuid4

import httpx2
from uuid_utils.compat import uuid7

from service.auth.passwords import _DUMMY_HASH
from service.main import State
from tests.auth.factories import LoggedInUser, bearer, create_key, create_user
from tests.project.access_matrix import (
    ACCOUNT,
    API_KEY,
    COMMENT,
    EXPERIMENT,
    ITEM,
    MODEL_VERSION,
    PREDICTION,
    PRODUCT,
    PROJECT,
    RETENTION,
    RUN,
)

ROLES = {"owner": "member", "other": "member", "admin": "admin"}


class Resource(NamedTuple):
    """Its creator and request; ``name`` replaces the id where a PUT names it, ``then`` follows.

    ``key`` is the field of the response that the address has, instead of the id. ``root`` is
    MLflow's for what its clients alone create.
    """

    creator: str
    path: str
    body: Mapping[str, Any]
    name: str = ""
    then: str = ""
    key: str = "id"
    root: str = "/v1"

    def id_of(self, created: Mapping[str, Any]) -> str:
        """Return what stands for it in an address, from the response that created it."""
        if self.root != "/v1":
            model_id: str = created["model"]["info"]["model_id"]
            return model_id.removeprefix("m-")
        return str(self.name or created.get(self.key) or created.get("prediction_id"))


def transfer(sender: str, receiver: str, amount: str) -> dict[str, str]:
    return {"from_account_id": sender, "to_account_id": receiver, "amount": amount}


RESOURCES = {
    "post_id": Resource("owner", "/posts", {"title": "Seen", "published": True}),
    "draft_id": Resource("owner", "/posts", {"title": "Unseen"}),
    "comment_id": Resource("owner", "/posts/{post_id}/comments", COMMENT),
    "draft_comment_id": Resource("owner", "/posts/{draft_id}/comments", COMMENT),
    "project_id": Resource("owner", "/projects", PROJECT),
    "invitation_id": Resource(
        "owner", "/projects/{project_id}/invitations", {"email": "~other_email"}
    ),
    "experiment_id": Resource("owner", "/experiments", EXPERIMENT),
    "key": Resource("owner", "/experiments/{experiment_id}/tags/a", {"value": "b"}, name="a"),
    "run_id": Resource("owner", "/runs", RUN),
    "path": Resource("owner", "/runs/{run_id}/artifacts/a.json", {}, name="a.json"),
    "model_path": Resource(
        "owner",
        "/logged_models/{logged_model_id}/artifacts/a.json",
        {"any": "bytes"},
        name="a.json",
    ),
    "run_tag": Resource("owner", "/runs/{run_id}/tags/a", {"value": "b"}, name="a"),
    "item_id": Resource("owner", "/items", ITEM),
    "key_id": Resource("owner", "/api_keys", API_KEY),
    "tag_id": Resource("admin", "/tags", {"name": "~new"}),
    "category_id": Resource("admin", "/categories", {"name": "~new"}),
    "product_id": Resource("admin", "/products", PRODUCT),
    "order_id": Resource("owner", "/orders", {"lines": ["~line"]}),
    "prediction_id": Resource("admin", "/predictions", PREDICTION),
    "pair_id": Resource("admin", "/predictions", PREDICTION),  # no pair: no response has its id
    "bank_id": Resource("admin", "/accounts", {**ACCOUNT, "may_overdraw": True}),
    "account_id": Resource("owner", "/accounts", ACCOUNT, then="funding_id"),
    "funding_id": Resource("admin", "/transfers", transfer("~bank_id", "~account_id", "100.00")),
    "empty_account_id": Resource("owner", "/accounts", ACCOUNT),
    "transfer_id": Resource("admin", "/transfers", transfer("~bank_id", "~account_id", "1.00")),
    "sent_transfer_id": Resource(
        "owner", "/transfers", transfer("~account_id", "~bank_id", "0.01")
    ),
    "registered_model_id": Resource(
        "owner", "/registered_models", {"name": "~new", "project_id": "~project_id"}
    ),
    "number_or_alias": Resource(
        "owner", "/registered_models/{registered_model_id}/versions", MODEL_VERSION, key="number"
    ),
    "alias": Resource(
        "owner",
        "/registered_models/{registered_model_id}/aliases/champion",
        {"number": "~number_or_alias"},
        name="champion",
    ),
    "logged_model_id": Resource(
        "owner", "/logged-models", {"experiment_id": "~experiment_id"}, root="/api/2.0/mlflow"
    ),
    "name": Resource(
        "admin", "/item_types/device", {"json_schema": {"type": "object"}}, name="device"
    ),
    "model": Resource("admin", "/models/kept/retention", RETENTION, name="kept"),
    "version": Resource("admin", "/models/kept/versions/1/retention", RETENTION, name="1"),
}


class AccessData:
    """Two members, an administrator, and the resources of the first member."""

    def __init__(self, state: State, client: httpx2.AsyncClient) -> None:
        self._state, self._client = state, client
        self._users: dict[str, LoggedInUser] = {}
        self._values: dict[str, str] = {}

    def forget(self) -> None:
        """Create everything anew from now on, because a request has changed something."""
        self._users, self._values = {}, {}

    async def headers(self, caller: str, operation: str) -> dict[str, str]:
        """Return the credentials of a caller."""
        if caller == "anonymous":
            return {}
        if caller == "key":
            scope = "metrics:read" if operation.startswith("audit") else "audit:read"
            admin = await self._user("admin")
            return bearer(await create_key(self._state, admin.id, scope))
        return (await self._user(caller)).headers

    async def path(self, template: str, replaced: Mapping[str, str] | None = None) -> str:
        """Return an address with the ids of the resources that its parameters name."""
        names = re.findall(r"\{(\w+)\}", template)
        return template.format(
            **{name: await self._value((replaced or {}).get(name, name)) for name in names}
        )

    async def body(self, template: Any) -> Any:
        """Return a body in which each ~name is replaced."""
        if isinstance(template, Mapping):
            return {name: await self.body(value) for name, value in template.items()}
        if isinstance(template, list):
            return [await self.body(value) for value in template]
        if not isinstance(template, str) or not template.startswith("~"):
            return template
        if template == "~line":
            return {"product_id": await self._value("product_id"), "quantity": 1}
        new = f"n{uuid4().hex[:12]}"
        fresh = {"~new": new, "~email": f"{new}@example.com", "~uuid": str(uuid7())}
        return fresh.get(template) or await self._value(template[1:])

    async def _value(self, name: str) -> str:
        if name in ("user_id", "owner", "other", "admin"):
            return str((await self._user("owner" if name == "user_id" else name)).id)
        if name == "secret":
            await self._value("invitation_id")
        if name == "other_email":
            await self._user("other")
        if name not in self._values:
            assert name in RESOURCES, f"add {name} to RESOURCES in tests/project/access_data.py"
            await self._create(name, RESOURCES[name])
        return self._values[name]

    async def _create(self, name: str, resource: Resource) -> None:
        answer = await self._client.request(
            "PUT" if resource.name else "POST",
            resource.root + await self.path(resource.path),
            json=await self.body(resource.body),
            headers=(await self._user(resource.creator)).headers,
        )
        assert answer.is_success, answer.text
        created = answer.json()
        self._values[name] = resource.id_of(created)
        if "secret" in created:
            self._values["secret"] = created["secret"]
        if resource.then:
            await self._value(resource.then)

    async def _user(self, name: str) -> LoggedInUser:
        if name not in self._users:
            email = f"{uuid4().hex[:12]}@example.com"
            self._values[f"{name}_email"] = email.upper()
            self._users[name] = await create_user(
                self._state, ROLES[name], password_hash=_DUMMY_HASH, email=email
            )
        return self._users[name]
