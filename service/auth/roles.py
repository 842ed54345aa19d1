"""The scopes of each role: the one table.

A scope is ``<resource>:<level>``: ``read`` own and public objects, ``write`` (create and change)
own ones, ``admin`` both for everybody's. Neither of ``read`` and ``write`` includes the other, so
that a key which only logs predictions cannot read them.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

Role = Literal["admin", "editor", "member", "service"]
ROLES: tuple[Role, ...] = get_args(Role)
RESOURCES = {
    "users": "users and their profiles",
    "posts": "posts",
    "comments": "comments on posts",
    "tags": "tags",
    "catalog": "categories and products",
    "orders": "orders",
    "reports": "reports",
    "projects": "projects and their members",
    "accounts": "accounts",
    "transfers": "transfers between accounts",
    "items": "items",
    "item_types": "item types",
    "predictions": "predictions and their feedback",
    "retention": "rules of how long predictions are kept",
    "api_keys": "API keys",
    "experiments": "experiments and their runs",
    "models": "registered models and their versions",
    "audit": "the audit trail",
    "metrics": "figures for Prometheus",
}
LEVELS = {
    "read": "see {}: your own, and what is public",
    "write": "create {}, and change your own",
    "admin": "see and change all {}; includes read and write",
}
# Everybody with the scope sees and changes the same objects.
WITHOUT_OWNER = {
    "tags", "catalog", "reports", "item_types", "predictions", "retention", "audit", "metrics",
}  # fmt: skip
LEVELS_WITHOUT_OWNER = {
    "read": "see {}",
    "write": "create and change {}",
    "admin": "see and change {}; includes read and write",
}
OF_PROJECTS = {"experiments", "models"}
LEVELS_OF_PROJECTS = {
    "read": "see {}: shared ones, and those of your projects",
    "write": "create and change {}: shared ones, and those of your projects",
    "admin": "see and change all {}; includes read and write",
}


def _levels(resource: str) -> dict[str, str]:
    if resource in OF_PROJECTS:
        return LEVELS_OF_PROJECTS
    return LEVELS_WITHOUT_OWNER if resource in WITHOUT_OWNER else LEVELS


SCOPES = {
    f"{resource}:{level}": verb.format(objects)
    for resource, objects in RESOURCES.items()
    for level, verb in _levels(resource).items()
}

ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "admin": frozenset(f"{resource}:admin" for resource in RESOURCES),
    "editor": frozenset(
        {
            "users:read", "users:write", "posts:admin", "comments:admin", "tags:admin",
            "catalog:admin", "orders:read", "orders:write", "projects:read", "projects:write",
            "accounts:read", "accounts:write", "transfers:read", "transfers:write",
            "items:admin", "item_types:admin", "predictions:read", "retention:read",
            "reports:read", "api_keys:read", "api_keys:write",
            "experiments:read", "experiments:write", "models:read", "models:write",
        }
    ),
    "member": frozenset(
        {
            "users:read", "users:write", "posts:read", "posts:write", "comments:read",
            "comments:write", "tags:read", "catalog:read", "orders:read", "orders:write",
            "accounts:read", "accounts:write", "transfers:read", "transfers:write",
            "projects:read", "projects:write", "items:read", "items:write", "item_types:read",
            "api_keys:read", "api_keys:write",
            "experiments:read", "experiments:write", "models:read", "models:write",
        }
    ),
    "service": frozenset(
        {
            "users:read", "posts:read", "comments:read", "tags:read", "catalog:read",
            "orders:read", "accounts:read", "transfers:read", "projects:read", "items:read",
            "items:write", "item_types:read", "predictions:read", "predictions:write",
            "retention:read", "metrics:read",
            "experiments:read", "experiments:write", "models:read", "models:write",
        }
    ),
}  # fmt: skip


def expanded(scopes: Iterable[str]) -> frozenset[str]:
    """Add what each ``admin`` includes: ``posts:admin`` has ``posts:read`` and ``posts:write``."""
    result = set(scopes)
    for scope in tuple(result):
        resource, _, level = scope.partition(":")
        if level == "admin":
            result |= {f"{resource}:read", f"{resource}:write"}
    return frozenset(result)


def scopes_of(role: str) -> frozenset[str]:
    """Return all scopes of a role; none for an unknown role."""
    return _EXPANDED.get(role, frozenset())


_EXPANDED = {role: expanded(scopes) for role, scopes in ROLE_SCOPES.items()}


def _known(scope: str) -> str:
    if scope not in SCOPES:
        raise ValueError("is not a scope; a scope is <resource>:<read|write|admin>")
    return scope


Scope = Annotated[str, Field(max_length=40), AfterValidator(_known)]
