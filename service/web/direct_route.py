"""Endpoints that are called without FastAPI, which does no more for them than describe them.

What they take comes of the request alone: the request itself, a model of its query, and what is
provided from these. All that FastAPI does around an endpoint was a third of what it took to log a
prediction, and a fifth of a page of a list.
"""

import inspect
from collections.abc import Callable, Coroutine
from typing import Any, get_args, get_origin

from fastapi import Request, Response
from fastapi.params import Query
from pydantic import BaseModel, ValidationError

from service.web.context import Maker
from service.web.problems import invalid_input

Read = Callable[[Request], Any]
_MANY = (list, set, frozenset, tuple)


def as_plain(
    endpoint: Callable[..., Any],
) -> Callable[[Request], Coroutine[Any, Any, Response]] | None:
    """``endpoint`` as a function of the request; None if it takes FastAPI to call it."""
    gives = inspect.signature(endpoint).return_annotation
    maker = Maker(endpoint)
    readers = {name: _reader(each.annotation) for name, each in maker.asked.items()}
    if not (isinstance(gives, type) and issubclass(gives, Response)) or None in readers.values():
        return None

    async def call(request: Request) -> Response:
        asked = {name: read(request) for name, read in readers.items() if read is not None}
        response: Response = await maker.made(asked)
        return response

    return call


def _reader(annotation: Any) -> Read | None:
    """What reads an argument of such a type; None for what only FastAPI finds."""
    if annotation is Request:
        return lambda request: request
    if annotation is Response:  # the one that a Pager sets its Link on
        return lambda _request: Response()
    model, *said = get_args(annotation) or (None,)
    is_query = len(said) == 1 and isinstance(said[0], Query) and _takes_each_once(model)
    return _query_reader(model) if is_query else None


def _takes_each_once(model: Any) -> bool:
    return (
        isinstance(model, type)
        and issubclass(model, BaseModel)
        and not any(get_origin(each.annotation) in _MANY for each in model.model_fields.values())
    )


def _query_reader(model: type[BaseModel]) -> Read:
    def read(request: Request) -> BaseModel:
        """As FastAPI does it: of what stands twice in the query the last counts."""
        try:
            return model.model_validate(dict(request.query_params))
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise invalid_input(
                {**each, "loc": ("query", *each["loc"])} for each in found
            ) from None

    return read
