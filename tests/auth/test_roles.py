"""The scopes of each role."""

import pytest
from pydantic import TypeAdapter, ValidationError

from service.auth.roles import LEVELS, RESOURCES, ROLES, SCOPES, Scope, expanded, scopes_of


def test_an_admin_scope_holds_both_others_of_its_resource_and_no_more() -> None:
    assert expanded(["posts:admin", "tags:read"]) == {
        "posts:admin", "posts:read", "posts:write", "tags:read",
    }  # fmt: skip
    assert expanded(["posts:write"]) == {"posts:write"}


def test_no_role_no_scopes() -> None:
    for role in ("", "root", "Admin", "admin "):
        assert scopes_of(role) == frozenset()


def test_roles_hold_scopes_there_are() -> None:
    assert len(SCOPES) == len(RESOURCES) * len(LEVELS)
    for role in ROLES:
        assert scopes_of(role) <= set(SCOPES)
        assert scopes_of(role) == expanded(scopes_of(role))
    assert scopes_of("admin") == set(SCOPES)


@pytest.mark.parametrize("role", ["member", "service"])
def test_a_member_and_a_service_administer_nothing(role: str) -> None:
    assert not [scope for scope in scopes_of(role) if scope.endswith(":admin")]


@pytest.mark.parametrize("role", ["editor", "member", "service"])
def test_only_administrators_see_the_trail_and_everybodys_users_and_keys(role: str) -> None:
    assert not scopes_of(role) & {"audit:read", "users:admin", "api_keys:admin"}


def test_a_service_makes_no_keys_and_changes_no_users() -> None:
    assert not scopes_of("service") & {"api_keys:write", "users:write"}


@pytest.mark.parametrize("scope", ["posts:read", "posts:delete", "posts", "POSTS:READ", "", "*"])
def test_a_scope_is_one_of_the_table(scope: str) -> None:
    adapter: TypeAdapter[str] = TypeAdapter(Scope)
    if scope in SCOPES:
        assert adapter.validate_python(scope) == scope
    else:
        with pytest.raises(ValidationError):
            adapter.validate_python(scope)
