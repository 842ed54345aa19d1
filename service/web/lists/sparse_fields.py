"""``fields=``: only the requested fields of a response, for lists and single objects.

The whole response is built first, so that ETag and cursor do not depend on the fields.
"""

from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import parse_qsl

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel

from service.core.errors import Refused, field_error
from service.web.lists.page_numbers import other_pairs

PARAMETER = {
    "name": "fields",
    "in": "query",
    "required": False,
    "description": "only these fields, of each item if it is a list: `id,created_at`. The others "
    "are absent, even those that the schema requires: read such a response as plain JSON",
    "schema": {"type": "string"},
}


def fields_in(model: object) -> frozenset[str]:
    """Return the field names of a model; of a page, those of its items."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return frozenset()
    items = model.model_fields.get("items")
    if items is not None and "page" in model.model_fields:
        return fields_in(get_args(items.annotation)[0])
    return frozenset(model.model_fields)


def with_parameter(extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the ``openapi_extra`` of an operation with the parameter added."""
    operation = dict(extra or {})
    others = [item for item in operation.get("parameters", ()) if item["name"] != PARAMETER["name"]]
    return {**operation, "parameters": [*others, PARAMETER]}


def parse_fields(request: Request, known: frozenset[str]) -> frozenset[str]:
    """Remove the parameter from the query; return its fields, where none means all.

    Raises:
        Refused: a field does not exist.
    """
    query: bytes = request.scope["query_string"]
    if not known or b"fields=" not in query:
        return frozenset()
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    requested = [value for name, value in pairs if name == "fields"]
    if not requested:
        return frozenset()
    wanted = frozenset(requested[-1].split(","))
    if not wanted <= known:
        detail = f"The fields are {', '.join(sorted(known))}; separate several by commas."
        error = field_error(pointer="/query/fields", code="unknown_field", detail=detail)
        raise Refused("Field does not exist.", errors=[error])
    request.scope["query_string"] = "&".join(other_pairs(query, {"fields"})).encode()
    request.scope["fields"] = requested[-1]  # for the address of the next page
    return wanted


def select_fields(response: Response, wanted: frozenset[str]) -> Response:
    """Return the response with these fields alone; a streamed page selects them itself."""
    if not wanted or response.status_code != 200 or not response.body:
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
