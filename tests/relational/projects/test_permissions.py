"""The table of permissions, tested over HTTP: each role, each action."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx2
import pytest

from service.main import State
from service.relational.projects.permissions import RIGHTS, roles_with
from tests.relational.projects.factories import (
    ProjectUser,
    UserFactory,
    invite,
    make_project,
    status_and_code,
)

# The status for an owner, an admin, a member, a viewer, another user and projects:admin.
ROLES = ("owner", "admin", "member", "viewer", "outsider", "administrator")
STATUSES: dict[str, tuple[int, int, int, int, int, int]] = {
    "see the project": (200, 200, 200, 200, 404, 200),
    "see the members": (200, 200, 200, 200, 404, 200),
    "see one member": (200, 200, 200, 200, 404, 200),
    "edit": (200, 200, 200, 403, 404, 200),
    "delete": (204, 403, 403, 403, 404, 204),
    "restore": (200, 403, 403, 403, 404, 200),
    "invite a viewer": (201, 201, 403, 403, 404, 201),
    "invite an admin": (201, 201, 403, 403, 404, 201),
    "invite an owner": (201, 403, 403, 403, 404, 201),
    "see the invitations": (200, 200, 403, 403, 404, 200),
    "see one invitation": (200, 200, 403, 403, 404, 200),
    "withdraw an invitation": (204, 204, 403, 403, 404, 204),
    "withdraw an invitation of an owner": (204, 403, 403, 403, 404, 204),
    "make a viewer an admin": (200, 200, 403, 403, 404, 200),
    "make a viewer an owner": (200, 403, 403, 403, 404, 200),
    "make an admin a viewer": (200, 200, 403, 403, 404, 200),
    "make an owner a viewer": (200, 403, 403, 403, 404, 200),
    "remove a viewer": (204, 204, 403, 403, 404, 204),
    "remove an admin": (204, 204, 403, 403, 404, 204),
    "remove an owner": (204, 403, 403, 403, 404, 204),
    "leave": (204, 204, 204, 204, 404, 404),
    "remove oneself": (204, 204, 204, 204, 404, 404),
}


def request_of(
    action: str, others: dict[str, ProjectUser], me: ProjectUser, invitation: str
) -> Any:
    verb, _, rest = action.partition(" ")
    last = action.rpartition(" ")[2]
    whom = others.get(action.split()[2]) if len(action.split()) > 2 else None
    plain: dict[str, tuple[Any, ...]] = {
        "see the project": ("GET", ""),
        "see the members": ("GET", "/members"),
        "see one member": ("GET", f"/members/{others['owner'].id}"),
        "edit": ("PATCH", "", {"description": "Why they leave."}),
        "delete": ("DELETE", ""),
        "restore": ("POST", "/restore"),
        "see the invitations": ("GET", "/invitations"),
        "see one invitation": ("GET", f"/invitations/{invitation}"),
        "withdraw an invitation": ("DELETE", f"/invitations/{invitation}"),
        "withdraw an invitation of an owner": ("DELETE", f"/invitations/{invitation}"),
        "leave": ("POST", "/leave"),
        "remove oneself": ("DELETE", f"/members/{me.id}"),
    }
    if action in plain:
        return plain[action]
    if verb == "invite":
        return "POST", "/invitations", {"email": "new@example.com", "role": last}
    assert whom is not None, rest
    if verb == "make":
        return "PATCH", f"/members/{whom.id}", {"role": last}
    return "DELETE", f"/members/{whom.id}"


def test_permission_cases_cover_every_permission_and_role() -> None:
    assert set(RIGHTS) == set(ROLES[:4])
    action_of = {
        "read": "see the project", "leave": "leave", "edit": "edit", "invite": "invite a viewer",
        "change_roles": "make a viewer an admin", "remove_members": "remove a viewer",
        "delete": "delete",
    }  # fmt: skip
    of_experiments = {"purge"}  # which tests of experiments cover
    assert set(action_of) | of_experiments == set().union(*(one.to for one in RIGHTS.values()))
    for right, action in action_of.items():
        good = [role for role, status in zip(ROLES, STATUSES[action], strict=True) if status < 300]
        assert [role for role in good if role in RIGHTS] == roles_with(right)  # type: ignore[arg-type]


class Team(NamedTuple):
    """A project, a caller for each of some roles, and two invitations.

    Each role has a caller and a target: no request is refused because of the last owner.
    """

    project: dict[str, Any]
    callers: dict[str, ProjectUser]
    targets: dict[str, ProjectUser]
    invitations: dict[str, str]

    @classmethod
    async def create(cls, user_factory: UserFactory, roles: Sequence[str]) -> "Team":
        founder = await user_factory.create()
        project = await make_project(founder)
        callers = {
            role: await user_factory.create_member(project, role)
            if role in RIGHTS
            else await user_factory.create("admin" if role == "administrator" else "member")
            for role in roles
        }
        targets = {
            role: await user_factory.create_member(project, role)
            for role in ("owner", "admin", "viewer")
        }
        invitations = {
            role: (await invite(founder, project, f"{role}@example.com", role))["id"]
            for role in ("owner", "member")
        }
        return cls(project, callers, targets, invitations)


@pytest.fixture(scope="module")
def user_factory(state: State, module_anonymous_client: httpx2.AsyncClient) -> UserFactory:
    """Users of all tests of this module, which share a team."""
    return UserFactory(state, module_anonymous_client)


@pytest.fixture(scope="module")
async def unchanged_team(user_factory: UserFactory) -> Team:
    """A team for requests that read or are refused."""
    return await Team.create(user_factory, ROLES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", STATUSES)
async def test_permission_table_is_enforced_for_every_role(
    user_factory: UserFactory, unchanged_team: Team, action: str, role: str
) -> None:
    expected = STATUSES[action][ROLES.index(role)]
    changes = expected < 300 and not action.startswith("see")
    team = await Team.create(user_factory, [role]) if changes else unchanged_team
    caller = team.callers[role]
    invitation = team.invitations["owner" if action.endswith("of an owner") else "member"]
    method, path, *body = request_of(action, team.targets, caller, invitation)
    answer = await caller.request(method, f"/projects/{team.project['id']}{path}", *body)
    assert answer.status_code == expected, answer.text
    if expected == 403:  # an admin lacks two permissions; other errors concern a higher role
        strong = role == "admin" and action not in ("delete", "restore")
        code = "project_role_too_strong" if strong else "project_role_too_weak"
        assert status_and_code(answer) == (403, code)
    if role == "outsider":
        assert status_and_code(answer) == (404, "project_not_found")


async def test_permission_error_names_required_role(user_factory: UserFactory) -> None:
    project = await make_project(await user_factory.create())
    viewer = await user_factory.create_member(project, "viewer")
    answer = await viewer.request("DELETE", f"/projects/{project['id']}")
    assert answer.json()["detail"] == 'Permission "delete" requires role owner; yours is viewer.'
    answer = await viewer.request("GET", f"/projects/{project['id']}/invitations")
    detail = 'Permission "invite" requires role owner or admin; yours is viewer.'
    assert answer.json()["detail"] == detail


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [(["projects:read"], 200, 403), (["projects:write"], 403, 200), (["items:read"], 403, 403)],
)
async def test_key_acts_for_its_user_within_its_scopes(
    user_factory: UserFactory, scopes: list[str], reads: int, writes: int
) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    key = await owner.with_key(user_factory.state, *scopes)
    path = f"/projects/{project['id']}"
    assert (await key.request("GET", path)).status_code == reads
    assert (await key.request("PATCH", path, {"name": "Other"})).status_code == writes


async def test_admin_key_without_admin_scope_acts_as_member(
    user_factory: UserFactory,
) -> None:
    administrator = await user_factory.create("admin")
    project = await make_project(await user_factory.create())
    path = f"/projects/{project['id']}"
    assert (await administrator.request_json("GET", path))["my_role"] is None
    key = await administrator.with_key(user_factory.state, "projects:read", "projects:write")
    assert status_and_code(await key.request("GET", path)) == (404, "project_not_found")
    assert (await key.request_json("GET", "/projects"))["items"] == []
