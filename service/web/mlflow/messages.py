"""Requests and responses on MLflow's addresses."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, get_args, get_origin

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from service.core.errors import ServiceError
from service.web.problems import invalid_value

# MLflow's own pages call every address again below /ajax-api.
ROOTS = ("/api", "/ajax-api")
M = TypeVar("M", bound="MlflowRequest")


class MlflowRequest(BaseModel):
    """Base of requests: unknown fields are ignored. ``values.py`` has the types of fields.

    A field that may be left out may also be null: ``step: Int64 | None = None``. Each list has a
    ``max_length``, because the items of a list are read at once, in the event loop.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


class MlflowResponse(BaseModel):
    """Base of responses. Fields that are None are left out, so an empty list is None."""

    model_config = ConfigDict(frozen=True, from_attributes=True, ser_json_inf_nan="strings")


class Empty(MlflowResponse):
    """The answer ``{}``."""


EMPTY = Empty()


def json_answer(**members: str | None) -> Response:
    """Return an object of members that are JSON already; those that are None are left out."""
    parts = [f'"{name}":{text}' for name, text in members.items() if text is not None]
    return Response(f"{{{','.join(parts)}}}", media_type="application/json")


def request_of(model: type[M]) -> Any:
    """Return the dependency that reads ``model`` from the query of a GET, or else from the body.

    ``wanted: Annotated[RunsGet, request_of(RunsGet)]``. A DELETE has a body too. An empty body is
    an empty object, and its content type does not matter.
    """
    lists = frozenset(
        name for name, field in model.model_fields.items() if _is_list(field.annotation)
    )

    async def read(request: Request) -> M:
        if request.method != "GET":
            return await read_body(model, request)
        try:
            return model.model_validate(_query(request, lists))
        except ValidationError as error:
            raise _refused(error, model) from error

    reader: Callable[[Request], Coroutine[Any, Any, M]] = read
    return Depends(reader)


async def read_body(model: type[M], request: Request) -> M:
    """Return the body of a request.

    Raises:
        ServiceError: it does not fit ``model``; each error has its pointer.
    """
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        raise _refused(error, model) from error


def _refused(error: ValidationError, model: type[BaseModel]) -> ServiceError:
    """Return the error; a pointer begins with the field, in the query too."""
    return invalid_value(error, "body", model)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def _query(request: Request, lists: frozenset[str]) -> dict[str, Any]:
    query = request.query_params
    return {name: query.getlist(name) if name in lists else query[name] for name in query}
