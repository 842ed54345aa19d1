"""Every parameter is described, and none has a null or a default."""

from typing import Any

import pytest

from service.web.openapi_document.parameters import Undescribed, describe_parameters


def described(name: str, place: str = "query", **schema: Any) -> dict[str, Any]:
    parameter = {"name": name, "in": place, "schema": {"title": "Name", **schema}}
    describe_parameters([parameter])
    return parameter


@pytest.mark.parametrize(
    ("name", "place", "text"),
    [
        ("post_id", "path", "The id of the post."),
        ("model", "path", "The model."),
        ("sort", "query", "the order of the items; `-` stands for descending"),
        ("price__gte", "query", "only with `price` of at least this"),
        ("created_at__lt", "query", "only with `created_at` below this; of times, before it"),
    ],
)
def test_parameter_without_description_gets_one(name: str, place: str, text: str) -> None:
    assert described(name, place, type="string")["description"] == text


@pytest.mark.parametrize("name", ["city", "name__prefix", "after", "__in"])
def test_parameter_without_description_or_operator_is_refused(name: str) -> None:
    with pytest.raises(Undescribed, match=name):
        described(name, type="string")


@pytest.mark.parametrize(("default", "text"), [(0, "0"), (False, "false"), ("none", "none")])
def test_parameter_default_moves_into_its_text(default: object, text: str) -> None:
    parameter = described("city", description="in any case", default=default)
    assert parameter["description"] == f"in any case (default: `{text}`)"
    assert parameter["schema"] == {}


def test_parameter_keeps_its_own_description_once() -> None:
    parameter = described("city", type="string", description="in any case")
    assert parameter["description"] == "in any case"
    assert parameter["schema"] == {"type": "string"}


def test_parameter_of_text_or_null_is_text() -> None:
    text, null = {"type": "string", "maxLength": 9}, {"type": "null"}
    city = described("city", anyOf=[text, null], default=None, description="in any case")
    assert (city["schema"], city["description"]) == (text, "in any case")
    number = {"type": "number"}
    price = described("price", anyOf=[text, number, null], description="in euros")
    assert price["schema"] == {"anyOf": [text, number]}
