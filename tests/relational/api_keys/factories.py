"""API keys created over HTTP or changed in the database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select, update

from service.main import State
from service.relational.api_keys.tables import ApiKey
from tests.auth.factories import LoggedInUser, bearer

KEYS = "/v1/api_keys"
HOUR = timedelta(hours=1)


async def make_key(
    client: httpx2.AsyncClient, by: LoggedInUser, *scopes: str, **fields: Any
) -> dict[str, Any]:
    answer = await post_key(client, by, *scopes, **fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def post_key(
    client: httpx2.AsyncClient, by: LoggedInUser, *scopes: str, **fields: Any
) -> httpx2.Response:
    body = {"name": "scorer", "scopes": list(scopes or ("posts:read",)), **fields}
    return await client.post(KEYS, json=body, headers=by.headers)


async def opens(client: httpx2.AsyncClient, key: str) -> bool:
    """Return whether the key is valid."""
    answer = await client.get("/v1/me", headers=bearer(key))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


async def change_key(state: State, key_id: str, **values: Any) -> None:
    """Change the row of the key in the database."""
    statement = update(ApiKey).where(ApiKey.id == UUID(key_id)).values(**values)
    async with state["sql"].engine.begin() as connection:
        await connection.execute(statement)


async def stored_key(state: State, key_id: str) -> dict[str, Any]:
    statement = select(ApiKey.__table__).where(ApiKey.id == UUID(key_id))
    async with state["sql"].engine.connect() as connection:
        return dict((await connection.execute(statement)).mappings().one())


def now() -> datetime:
    """Return the time in milliseconds, as it is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def rotate(
    client: httpx2.AsyncClient, key_id: str, headers: dict[str, str], **body: Any
) -> httpx2.Response:
    return await client.post(f"{KEYS}/{key_id}/rotate", json=body, headers=headers)
