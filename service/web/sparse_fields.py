"""``fields=``: of an answer only the fields somebody asks for, on lists and on single things.

The whole answer is made first: what may be asked for, its ETag and its cursor are the same.
"""

from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel

from service.core.errors import FieldError, Refused

PARAMETER = {
    "name": "fields",
    "in": "query",
    "required": False,
    "description": "only these fields, of each item if it is a list: `id,created_at`",
    "schema": {"type": "string"},
}


def fields_in(model: object) -> frozenset[str]:
    """What there is to ask for: of a page, the fields of its items."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return frozenset()
    items = model.model_fields.get("items")
    if items is not None and "page" in model.model_fields:
        return fields_in(get_args(items.annotation)[0])
    return frozenset(model.model_fields)


def with_parameter(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """An operation's own part of the OpenAPI document, with the parameter in it once."""
    told = dict(extra or {})
    others = [each for each in told.get("parameters", ()) if each["name"] != PARAMETER["name"]]
    return {**told, "parameters": [*others, PARAMETER]}


def parse_fields(request: Request, known: frozenset[str]) -> frozenset[str]:
    """Takes the parameter out of the query; the fields that are wanted, none of them means all.

    Raises:
        Refused: there is no such field.
    """
    query: bytes = request.scope["query_string"]
    if not known or b"fields=" not in query:
        return frozenset()
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    told = [value for name, value in pairs if name == "fields"]
    if not told:
        return frozenset()
    wanted = frozenset(told[-1].split(","))
    if not wanted <= known:
        detail = f"The fields are {', '.join(sorted(known))}; separate several by commas."
        error = FieldError(pointer="/query/fields", code="unknown_field", detail=detail)
        raise Refused("There is no such field.", errors=[error])
    others = [(name, value) for name, value in pairs if name != "fields"]
    request.scope["query_string"] = urlencode(others).encode()
    request.scope["fields"] = told[-1]  # for the address of the next page
    return wanted


def select_fields(response: Response, wanted: frozenset[str]) -> Response:
    """The answer with these fields alone."""
    if not wanted or response.status_code != 200:
        return response
    whole = msgspec.json.decode(response.body)
    if "items" in whole and "page" in whole:
        whole["items"] = [_picked(item, wanted) for item in whole["items"]]
    else:
        whole = _picked(whole, wanted)
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return Response(msgspec.json.encode(whole), headers=headers)


def _picked(found: Mapping[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name in wanted}
