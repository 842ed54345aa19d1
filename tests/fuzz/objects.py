"""Objects in the service that requests name, created when one first needs them."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx2
from uuid_utils.compat import uuid7

from tests.project.access_data import RESOURCES
from tests.project.access_matrix import USER


class Gone(Exception):
    """An object cannot be created, because one that it needs was deleted or changed."""


class Objects:
    """Values of the placeholders ``~name`` in the bodies of the access matrix, and of addresses."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._values: dict[str, str] = {}

    def forget(self) -> None:
        """Create everything anew from now on, because requests have deleted and changed it."""
        self._values = {}

    def body(self, template: Any) -> Any:
        """Return a body in which each placeholder is replaced."""
        if isinstance(template, Mapping):
            return {name: self.body(value) for name, value in template.items()}
        if isinstance(template, list):
            return [self.body(value) for value in template]
        if not isinstance(template, str) or not template.startswith("~"):
            return template
        if template == "~line":
            return {"product_id": self.value("product_id"), "quantity": 1}
        new = f"n{uuid4().hex[:12]}"
        fresh = {"~new": new, "~email": f"{new}@example.com", "~uuid": str(uuid7())}
        return fresh.get(template) or self.value(template[1:])

    def value(self, name: str) -> str:
        """Return the id of an object, or the name of one that a PUT creates."""
        if name == "secret":
            self.value("invitation_id")
        if name not in self._values:
            if name == "other_email":
                self._values[name] = f"{uuid4().hex}@example.com"
            elif name in ("user_id", "owner", "other", "admin"):
                user = self.body(USER)
                self._values[name] = self._post("/v1/users", user)["id"]
            else:
                try:
                    self._create(name)
                except Gone:
                    self.forget()
                    self._create(name)
        return self._values[name]

    def _create(self, name: str) -> None:
        resource = RESOURCES[name]
        names = re.findall(r"\{(\w+)\}", resource.path)
        ids = {entry: self.value(entry) for entry in names}
        path = resource.root + resource.path.format(**ids)
        created = self._post(path, self.body(resource.body), "PUT" if resource.name else "POST")
        self._values[name] = resource.id_of(created)
        if "secret" in created:
            self._values["secret"] = created["secret"]
        if resource.then:
            self.value(resource.then)

    def _post(self, path: str, body: Any, method: str = "POST") -> Any:
        answer = self._client.request(method, path, json=body)
        if not answer.is_success:
            raise Gone(f"{method} {path}: {answer.text}")
        return answer.json()
