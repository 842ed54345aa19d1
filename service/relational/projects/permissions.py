"""What each role in a project may do: the one table.

The roles of a project have nothing to do with those of the service (``access/roles.py``), which say
who may call at all; ``projects:admin`` acts as an owner of every project.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

ProjectRole = Literal["owner", "admin", "member", "viewer"]
Right = Literal["read", "leave", "edit", "invite", "change_roles", "remove_members", "delete"]


class Rights(NamedTuple):
    """``over`` are the roles they give, and whose holders they change and remove."""

    to: frozenset[Right]
    over: frozenset[ProjectRole]


RIGHTS: Mapping[ProjectRole, Rights] = {
    "owner": Rights(
        to=frozenset(
            {"read", "leave", "edit", "invite", "change_roles", "remove_members", "delete"}
        ),
        over=frozenset({"owner", "admin", "member", "viewer"}),
    ),
    "admin": Rights(
        to=frozenset({"read", "leave", "edit", "invite", "change_roles", "remove_members"}),
        over=frozenset({"admin", "member", "viewer"}),
    ),
    "member": Rights(to=frozenset({"read", "leave", "edit"}), over=frozenset()),
    "viewer": Rights(to=frozenset({"read", "leave"}), over=frozenset()),
}


def roles_with(right: Right) -> list[ProjectRole]:
    """Those that hold a right."""
    return [role for role, rights in RIGHTS.items() if right in rights.to]
