"""Depends on classes: made without a thread, and with all they need in one step of FastAPI's.

FastAPI runs plain constructors in its thread pool, and takes about 20 µs for each dependency, which
for a repository that needs a session, a pager and a caller was a fifth of a small request.
"""

import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, TypeVar, get_args

from fastapi import Depends, Request, Response
from fastapi.params import Depends as Dependency

T = TypeVar("T")


def provided(make: Callable[..., Any]) -> Any:
    """``Annotated[Thing, provided(Thing)]``: fills the arguments of a constructor or a function.

    Those that are provided themselves are made along with it; the others, such as the request or a
    header, are FastAPI's, and what is called alike is the same in all of them.
    """
    maker = Maker(make)

    async def build(**asked: Any) -> Any:
        return maker.made(asked)

    build.__signature__ = inspect.Signature([*maker.asked.values()])  # type: ignore[attr-defined] # PEP 362, read by FastAPI
    build.maker = maker  # type: ignore[attr-defined] # for what is made of this
    return Depends(build)


_MAKERS: dict[type, "Maker"] = {}


def made_for(make: type[T], request: Request) -> T:
    """The thing itself, for an endpoint that is called directly."""
    maker = _MAKERS.get(make) or _MAKERS.setdefault(make, Maker(make))
    made: T = maker.made({"request": request, "response": Response()})
    return made


class Maker:
    """What it takes to make one thing: parts that are made first, and what FastAPI is asked for."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._parts: dict[str, Maker] = {}
        self.asked: dict[str, Parameter] = {}
        for name, parameter in inspect.signature(make).parameters.items():
            part = _maker_in(parameter)
            if part is None:
                self.asked[name] = parameter.replace(kind=Parameter.KEYWORD_ONLY)
            else:
                self._parts[name] = part
        self._own = tuple(self.asked)
        for part in self._parts.values():
            self.asked |= part.asked

    def made(self, asked: Mapping[str, Any]) -> Any:
        arguments = {name: part.made(asked) for name, part in self._parts.items()}
        for name in self._own:
            arguments[name] = asked[name]
        return self._make(**arguments)


def _maker_in(parameter: Parameter) -> Maker | None:
    for each in get_args(parameter.annotation):
        if isinstance(each, Dependency):
            return getattr(each.dependency, "maker", None)
    return None
