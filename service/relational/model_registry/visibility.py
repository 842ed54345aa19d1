"""Which registered models a caller sees and changes.

A key that is bound to models (``fraud-*``) changes those of these names alone, so that it cannot
replace what others serve. It reads all that its user may read.
"""

from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, or_, true
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.model_registry.tables import RegisteredModel
from service.relational.projects.visibility import project_editable, project_visible

ADMIN = "models:admin"
Condition = ColumnElement[bool]
_M = RegisteredModel


def visible_model(caller: Caller) -> Condition:
    """Return the condition of the models that the caller sees."""
    return project_visible(_M.project_id, caller, unless=ADMIN)


def editable_model(caller: Caller) -> Condition:
    """Return the condition of the visible models that the caller may change."""
    return project_editable(_M.project_id, caller, unless=ADMIN) & _has_name_of(caller)


async def require_name(session: AsyncSession, caller: Caller, name: Select[Any]) -> None:
    """Raise ModelForbidden if the key is bound to other models than the selected one, if any."""
    if caller.models is not None:
        found = await session.scalar(name)
        if found is not None:
            caller.require_model(found)


def _has_name_of(caller: Caller) -> Condition:
    """Return the condition that :meth:`Caller.may_use` has in SQL."""
    if caller.models is None:
        return true()
    fits = [
        func.starts_with(_M.name, pattern[:-1]) if pattern.endswith("*") else _M.name == pattern
        for pattern in caller.models
    ]
    return or_(false(), *fits)
