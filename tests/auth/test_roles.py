"""The scopes of each role."""

import pytest
from pydantic import TypeAdapter, ValidationError

from service.auth.roles import LEVELS, RESOURCES, ROLES, SCOPES, Scope, expanded, scopes_of


def test_admin_scope_includes_read_and_write() -> None:
    assert expanded(["posts:admin", "tags:read"]) == {
        "posts:admin", "posts:read", "posts:write", "tags:read",
    }  # fmt: skip
    assert expanded(["posts:write"]) == {"posts:write"}


def test_unknown_role_has_no_scopes() -> None:
    for role in ("", "root", "Admin", "admin "):
        assert scopes_of(role) == frozenset()


def test_roles_have_known_scopes_only() -> None:
    assert len(SCOPES) == len(RESOURCES) * len(LEVELS)
    for role in ROLES:
        assert scopes_of(role) <= set(SCOPES)
        assert scopes_of(role) == expanded(scopes_of(role))
    assert scopes_of("admin") == set(SCOPES)


@pytest.mark.parametrize("role", ["member", "service"])
def test_member_and_service_have_no_admin_scope(role: str) -> None:
    assert not [scope for scope in scopes_of(role) if scope.endswith(":admin")]


@pytest.mark.parametrize("role", ["editor", "member", "service"])
def test_audit_and_user_admin_scopes_are_admins_only(role: str) -> None:
    assert not scopes_of(role) & {"audit:read", "users:admin", "api_keys:admin"}


def test_service_has_no_key_or_user_write_scope() -> None:
    assert not scopes_of("service") & {"api_keys:write", "users:write"}


@pytest.mark.parametrize("scope", ["posts:read", "posts:delete", "posts", "POSTS:READ", "", "*"])
def test_scope_unknown_is_invalid(scope: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Scope)
    if scope in SCOPES:
        assert adapter.validate_python(scope) == scope
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(scope)


def test_only_admin_scopes_of_projects_reach_all() -> None:
    for resource in ("experiments", "models"):
        assert "of your projects" in SCOPES[f"{resource}:read"]
        assert "see and change all" in SCOPES[f"{resource}:admin"]
        assert "your" not in SCOPES[f"{resource}:admin"]
