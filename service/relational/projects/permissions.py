"""Permissions of each role in a project: the one table.

These roles are independent of the service's own (``auth/roles.py``), which decide who may call a
route at all; ``projects:admin`` acts as an owner of every project.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

ProjectRole = Literal["owner", "admin", "member", "viewer"]
Right = Literal[
    "read", "leave", "edit", "invite", "change_roles", "remove_members", "purge", "delete"
]


class Rights(NamedTuple):
    """``to``: the permissions; ``over``: the roles that it gives, and whose members it changes."""

    to: frozenset[Right]
    over: frozenset[ProjectRole]


RIGHTS: Mapping[ProjectRole, Rights] = {
    "owner": Rights(
        to=frozenset(
            {"read", "leave", "edit", "invite", "change_roles", "remove_members", "purge", "delete"}
        ),
        over=frozenset({"owner", "admin", "member", "viewer"}),
    ),
    "admin": Rights(
        to=frozenset(
            {"read", "leave", "edit", "invite", "change_roles", "remove_members", "purge"}
        ),
        over=frozenset({"admin", "member", "viewer"}),
    ),
    "member": Rights(to=frozenset({"read", "leave", "edit"}), over=frozenset()),
    "viewer": Rights(to=frozenset({"read", "leave"}), over=frozenset()),
}


def roles_with(right: Right) -> list[ProjectRole]:
    """Return the roles that have a permission."""
    return [role for role, rights in RIGHTS.items() if right in rights.to]
