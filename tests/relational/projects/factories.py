"""Projects and their users for tests."""

from typing import Any, NamedTuple
from uuid import UUID

import httpx2
from sqlalchemy import text

from service.main import State
from tests.auth.factories import bearer, create_key, create_user


class ProjectUser(NamedTuple):
    """A user with credentials for the real authenticator."""

    client: httpx2.AsyncClient
    id: UUID
    email: str
    headers: dict[str, str]

    async def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx2.Response:
        """Send a request; ``headers`` are named with underscores: ``if_match``."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        json_body = {} if body is None else {"json": body}
        return await self.client.request(
            method, f"/v1{path}", headers={**self.headers, **more}, **json_body
        )

    async def request_json(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the body of a successful response."""
        answer = await self.request(method, path, body, **headers)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def with_key(self, state: State, *scopes: str) -> "ProjectUser":
        """Return the same user with an API key as credentials."""
        return self._replace(headers=bearer(await create_key(state, self.id, *scopes)))


class UserFactory:
    """Creates users and members of projects in the database."""

    def __init__(self, state: State, client: httpx2.AsyncClient) -> None:
        self.state, self._client, self._made = state, client, 0

    async def create(self, role: str = "member", **values: Any) -> ProjectUser:
        self._made += 1
        email = values.pop("email", f"person{self._made}@example.com")
        person = await create_user(self.state, role, email=email, **values)
        return ProjectUser(self._client, person.id, email, person.headers)

    async def create_member(self, project: dict[str, Any], role: str) -> ProjectUser:
        """Create a user and make them a member with the role ``role``."""
        person = await self.create()
        await self.execute(
            "INSERT INTO project_members (id, project_id, user_id, role) "
            "VALUES (gen_random_uuid(), :project, :person, :role)",
            project=project["id"],
            person=person.id,
            role=role,
        )
        return person

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.state["sql"].engine.begin() as connection:
            await connection.execute(text(statement), values)


async def make_project(owner: ProjectUser, name: str = "Churn") -> dict[str, Any]:
    made: dict[str, Any] = await owner.request_json("POST", "/projects", {"name": name})
    return made


async def invite(
    inviter: ProjectUser, project: dict[str, Any], email: str, role: str = "member"
) -> dict[str, Any]:
    body = {"email": email, "role": role}
    made: dict[str, Any] = await inviter.request_json(
        "POST", f"/projects/{project['id']}/invitations", body
    )
    return made


async def accept(guest: ProjectUser, invitation: dict[str, Any], **headers: str) -> httpx2.Response:
    """Accept an invitation with its secret."""
    path, proof = f"/invitations/{invitation['id']}/accept", {"secret": invitation["secret"]}
    return await guest.request("POST", path, proof, **headers)


def status_and_code(answer: httpx2.Response) -> tuple[int, str]:
    """Return the status and the code of an error response."""
    return answer.status_code, answer.json()["code"]
