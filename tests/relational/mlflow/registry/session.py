"""The registry as a client of MLflow asks it, over plain HTTP."""

from typing import Any, NamedTuple

import httpx2

ROOT = "/api/2.0/mlflow"


class Registry(NamedTuple):
    """Sends requests below MLflow's addresses: GET with a query, else with a body."""

    client: httpx2.AsyncClient

    async def send(self, method: str, path: str, **fields: Any) -> httpx2.Response:
        sent = {"params": fields} if method == "GET" else {"json": fields}
        return await self.client.request(method, f"{ROOT}/{path}", **sent)  # type: ignore[arg-type]

    async def ask(self, method: str, path: str, **fields: Any) -> Any:
        """Return the body of a response of 200, the only success that clients know."""
        answer = await self.send(method, path, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, method: str, path: str, **fields: Any) -> tuple[int, str]:
        """Return the status and the error code of a refusal."""
        answer = await self.send(method, path, **fields)
        return answer.status_code, answer.json()["error_code"]

    async def make_model(self, name: str = "fraud", **fields: Any) -> Any:
        return await self.ask("POST", "registered-models/create", name=name, **fields)

    async def make_version(self, name: str = "fraud", **fields: Any) -> Any:
        sent = {"name": name, "source": "s3://bucket/model", **fields}
        return (await self.ask("POST", "model-versions/create", **sent))["model_version"]

    async def names(self, path: str = "registered-models/search", **fields: Any) -> list[str]:
        """Return what a search finds: names, or names and numbers of versions."""
        found = await self.ask("GET", path, **fields)
        (listed,) = [found.get("registered_models") or found.get("model_versions") or []]
        return [
            f"{one['name']}/{one['version']}" if "version" in one else one["name"] for one in listed
        ]


BAD, MISSING = (400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")
