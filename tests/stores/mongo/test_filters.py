"""Filters on documents."""

from decimal import Decimal

import pytest
from bson.decimal128 import Decimal128

from service.stores.mongo.filters import all_of, as_expected, as_filter


def test_as_filter_value_stands_behind_an_operator() -> None:
    filters = {"name": {"$ne": None}, "size__gte": 1, "size__lt": 5, "tag__ne": "x"}
    fields = {"name": "title", "size": "size", "tag": "tags"}
    assert as_filter(filters, fields) == {
        "title": {"$eq": {"$ne": None}},
        "size": {"$gte": 1, "$lt": 5},
        "tags": {"$ne": "x"},
    }


def test_as_filter_decimal_becomes_decimal128() -> None:
    expected = {"price": {"$lte": Decimal128("1.50")}}
    assert as_filter({"price__lte": Decimal("1.50")}, {"price": "price"}) == expected


@pytest.mark.parametrize("name", ["$where", "other", "name__regex", "name.first"])
def test_as_filter_unknown_field_or_operator_is_an_error(name: str) -> None:
    with pytest.raises(KeyError):
        as_filter({name: 1}, {"name": "name"})


def test_as_expected_allows_any_version_unless_some_are_named() -> None:
    assert as_expected(None) == {}
    assert as_expected(frozenset({3, 1})) == {"version": {"$in": [1, 3]}}
    assert as_expected(frozenset()) == {"version": {"$in": []}}


def test_all_of_same_field_keeps_all_conditions() -> None:
    assert all_of({"a": 1}, {}, {"a": 2}) == {"$and": [{"a": 1}, {"a": 2}]}
    assert all_of({"a": 1}, {}) == all_of({}, {"a": 1}) == {"a": 1}
    assert all_of({}, {}) == all_of() == {}
