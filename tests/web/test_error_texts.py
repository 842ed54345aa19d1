"""Texts of faults: ours for each kind, with the names that there are, and several at once."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import core_schema

from service.web.error_texts import MAX_NAMES, names_at, sentence, unknown_name
from service.web.lists.page_numbers import PageTooFar
from service.web.lists.pagination import ListQuery
from service.web.problems import invalid_value
from service.web.schemas import RequestModel

OF_OTHERS = re.compile(
    "[Ii]nput|Extra|Field required|Value error|Assertion|[Uu]nable|should |valid (string|number|"
    "integer|boolean|list|dictionary|UUID|datetime)|Expected `|Object (missing|contains)"
)
WRONG: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, float("nan"), "", "x", "\x00", "x" * 1001, [], {}, {"n4me": 1},
    "2026-01-05T00:00:00", "2026-01-05T00:00:00 01:00", "1.234", [{}], [[]],
)  # fmt: skip


def models_in(schema: object, known: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if isinstance(schema, type) and issubclass(schema, BaseModel) and schema not in known:
        known.add(schema)
        yield schema
        for field in schema.model_fields.values():
            yield from models_in(field.annotation, known)
    for part in get_args(schema):
        yield from models_in(part, known)


def schemas_of(dependant: Dependant) -> Iterator[object]:
    yield from (field.field_info.annotation for field in dependant.query_params)
    yield from (field.field_info.annotation for field in dependant.body_params)
    for inner in dependant.dependencies:
        yield from schemas_of(inner)


def list_queries(query: type[ListQuery]) -> Iterator[type[ListQuery]]:
    for inner in query.__subclasses__():
        yield inner
        yield from list_queries(inner)


def test_sentence_of_each_field_of_each_request_is_ours(app: FastAPI) -> None:
    known, kinds = set[type[BaseModel]](), set[str]()
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    schemas = [schema for route in routes for schema in schemas_of(route.dependant)]
    schemas += list_queries(ListQuery)  # those of direct routes are only described
    models = [model for schema in schemas for model in models_in(schema, known)]
    assert len(models) > 60
    for model in models:
        for name, field in model.model_fields.items():
            for value in WRONG:
                try:
                    model.model_validate({field.alias or name: value})
                except PageTooFar:
                    pass  # our own sentence
                except ValidationError as error:
                    kinds.update(fault["type"] for fault in error.errors())
                    faults = invalid_value(error, "body", model).errors
                    assert not [fault for fault in faults if OF_OTHERS.search(fault["detail"])]
                    assert all(fault["detail"].endswith(".") for fault in faults)
    assert len(kinds) > 20


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_sentence_of_pydantic_type_never_is_its_own(kind: str) -> None:
    prefix = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
    text = sentence({"type": kind, "msg": f"{prefix.get(kind, 'Input should be ')}is odd"})
    assert text == "Is odd." if kind in prefix else not OF_OTHERS.search(text)


class _Part(RequestModel):
    size: int = Field(alias="from")
    colour: str = ""


class _Whole(RequestModel):
    parts: list[_Part] | None = None
    named: dict[str, _Part] = {}
    title: str = Field("", min_length=1, max_length=1)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ((), ["named", "parts", "title"]),
        (("parts", 3), ["colour", "from"]),
        (("named", "any"), ["colour", "from"]),
    ],
)
def test_names_at_follow_the_path(path: tuple[object, ...], names: list[str]) -> None:
    assert names_at(_Whole, path) == names
    assert names_at(list[_Whole] | None, (0, *path)) == names


def test_unknown_name_lists_the_nearest_first_and_is_short() -> None:
    known = [f"{letter * 20}_limit" for letter in "abcdefghijklmnop"]
    text = unknown_name("parameter", "L1mit", [*known, "limit", "sort"])
    assert text.startswith("This parameter does not exist. There are: limit, ")
    assert text.endswith("others.")
    assert len(text) < MAX_NAMES + 100
    assert unknown_name("field", "\ud800" * 10_000, known) == unknown_name("field", "?", known)


def test_one_character_is_in_the_singular() -> None:
    for value in ("", "xx"):
        with pytest.raises(ValidationError) as caught:
            _Whole.model_validate({"title": value})
        (fault,) = invalid_value(caught.value, "body", _Whole).errors
        assert fault["detail"].endswith(" 1 character.")


def faults_of(response: httpx2.Response) -> dict[str, str]:
    return {fault["pointer"]: fault["detail"] for fault in response.json()["errors"]}


@pytest.mark.parametrize(
    ("path", "pointer", "first"),
    [
        ("/v1/users?crated_at__gte=a", "/query/crated_at__gte", "created_at__gte"),
        ("/v1/items?l1mit=a", "/query/l1mit", "limit"),
        ("/v1/predictions?timestamp_gte=a", "/query/timestamp_gte", "timestamp__gte"),
        ("/v1/predictions/tail?m0del=a", "/query/m0del", "model"),
    ],
)
async def test_unknown_parameter_names_the_nearest(
    client: httpx2.AsyncClient, path: str, pointer: str, first: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (400, "unknown_parameter")
    assert f"There are: {first}," in faults_of(response)[pointer]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "first"),
    [
        ("/v1/users", {"user_name": "a"}, "/user_name", "username"),
        ("/v1/orders", {"lines": [{"quantiti": 1}]}, "/lines/0/quantiti", "quantity"),
        ("/v1/users/bulk", {"items": [{"e-mail": "a"}]}, "/items/0/e-mail", "email"),
        ("/v1/predictions", {"time_stamp": 1}, "/time_stamp", "timestamp"),
    ],
)
async def test_unknown_field_names_the_nearest(
    client: httpx2.AsyncClient, path: str, body: Any, pointer: str, first: str
) -> None:
    response = await client.post(path, json=body)
    assert response.status_code == 422
    assert re.search(f"There are: {first}[,.]", faults_of(response)[pointer])


@pytest.mark.parametrize("path", ["predictions", "labels"])
async def test_unknown_field_of_batch_names_the_nearest(
    client: httpx2.AsyncClient, path: str
) -> None:
    response = await client.post(f"/v1/{path}/batch", json={"items": [{"predictionid": 1}]})
    assert "There are: prediction_id," in response.text
    assert not OF_OTHERS.search(response.text)


@pytest.mark.parametrize(
    "path",
    ["/v1/users?created_at__gte=", "/v1/items?created_at__gte=", "/v1/predictions?timestamp__gte=",
     "/v1/predictions/export?timestamp__lt=", "/v1/posts?created_at__gte="],
)  # fmt: skip
async def test_time_in_query_is_refused_with_its_right_form(
    client: httpx2.AsyncClient, path: str
) -> None:
    naive = await client.get(f"{path}2026-01-05T00:00:00")
    assert (naive.status_code, "without Z or an offset" in naive.text) == (422, True), naive.text
    plus = await client.get(f"{path}2026-01-05T00:00:00+01:00")
    assert (plus.status_code, "write %2B for +" in plus.text) == (422, True)


async def test_faults_of_path_header_and_body_come_together(client: httpx2.AsyncClient) -> None:
    response = await client.post("/v1/users/bulk?atomic=perhaps", json={"items": 7, "more": 1})
    assert {"/query/atomic", "/items", "/more"} == faults_of(response).keys()
    headers = {"Last-Event-ID": "x" * 1001}
    response = await client.get("/v1/predictions/tail?m0del=a&status=odd", headers=headers)
    found = {"/query/m0del", "/query/status", "/header/last-event-id"}
    assert found == faults_of(response).keys()
    response = await client.patch("/v1/users/ada", json={"n4me": 1, "email": 7})
    assert {"/path/user_id", "/n4me", "/email"} == faults_of(response).keys()
