"""Parameters that say no more than their names are described, and none allows null."""

from typing import Any

import pytest

from service.web.openapi_document.parameters import describe_parameters


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
        ("city", "query", "only with this `city`"),
        ("price__gte", "query", "only with `price` of at least this"),
        ("created_at__lt", "query", "only with `created_at` below this; of times, before it"),
        ("name__prefix", "query", "only with this `name__prefix`"),
    ],
)
def test_parameter_without_description_gets_one(name: str, place: str, text: str) -> None:
    assert described(name, place, type="string")["description"] == text


def test_parameter_keeps_its_own_description_once() -> None:
    parameter = described("city", type="string", description="in any case")
    assert parameter["description"] == "in any case"
    assert parameter["schema"] == {"type": "string"}


def test_parameter_of_text_or_null_is_text() -> None:
    text, null = {"type": "string", "maxLength": 9}, {"type": "null"}
    assert described("city", anyOf=[text, null], default=None)["schema"] == text
    number = {"type": "number"}
    assert described("price", anyOf=[text, number, null])["schema"] == {"anyOf": [text, number]}
