"""Requests of MLflow's addresses as a whole: how much of them is read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from service.relational.mlflow.run_schemas import RunsSearch
from service.web.mlflow.messages import MlflowRequest
from service.web.problems import MOST_BUILT, invalid_value


def requests(kind: type[MlflowRequest] = MlflowRequest) -> Iterator[type[MlflowRequest]]:
    for below in kind.__subclasses__():
        yield below
        yield from requests(below)


def has_unlimited_list(schema: Any) -> bool:
    """Return whether a JSON schema has a list without a limit."""
    if isinstance(schema, list):
        return any(map(has_unlimited_list, schema))
    if not isinstance(schema, dict):
        return False
    is_unlimited = schema.get("type") == "array" and "maxItems" not in schema
    return is_unlimited or any(map(has_unlimited_list, schema.values()))


def test_every_list_of_a_request_is_limited(app: FastAPI) -> None:
    assert app.routes  # so that all requests are defined
    found = [kind for kind in requests() if kind.__module__.startswith("service.")]
    assert len(found) > 40
    assert [kind for kind in found if has_unlimited_list(kind.model_json_schema())] == []


def test_list_beyond_its_limit_is_not_read_to_its_end() -> None:
    with pytest.raises(ValidationError) as caught:
        RunsSearch.model_validate_json(json.dumps({"experiment_ids": [0] * 50_000}))
    assert caught.value.error_count() <= MOST_BUILT


@pytest.mark.parametrize("count", [MOST_BUILT, MOST_BUILT + 1])
def test_errors_beyond_a_limit_are_one(count: int) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(list[int]).validate_python(["x"] * count)
    errors = invalid_value(caught.value, "body", list[int]).errors
    if count == MOST_BUILT:
        assert len(errors) == count
    else:
        assert [(one["pointer"], one["code"]) for one in errors] == [("", "too_many_errors")]
