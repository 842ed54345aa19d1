"""Depends on a class without a thread: FastAPI runs plain constructors in its thread pool."""

import inspect
from typing import Any

from fastapi import Depends


def provided(cls: type) -> Any:
    """``Annotated[Thing, provided(Thing)]``: FastAPI fills the constructor's arguments."""

    async def build(**arguments: Any) -> Any:
        return cls(**arguments)

    build.__signature__ = inspect.signature(cls)  # type: ignore[attr-defined] # PEP 362, read by FastAPI
    return Depends(build)
