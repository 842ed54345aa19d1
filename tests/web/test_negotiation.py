"""Weights in Accept and Accept-Encoding."""

import pytest

from service.web.negotiation import parse_weights, weight_of_type


@pytest.mark.parametrize(
    ("header", "weights"),
    [
        ("", {}),
        (" , ", {}),
        ("gzip", {"gzip": 1.0}),
        ("GZip; Q=0.5 ,br", {"gzip": 0.5, "br": 1.0}),
        ("gzip;q=0", {"gzip": 0.0}),
        ("gzip;q=0.000, *", {"gzip": 0.0, "*": 1.0}),
        ("gzip;q=", {"gzip": 0.0}),
        ("gzip;q=x", {"gzip": 0.0}),
        ("gzip;q=nan", {"gzip": 0.0}),
        ("gzip;q=-1", {"gzip": 0.0}),
        ("gzip;q=7", {"gzip": 0.0}),
        ("gzip;q=0.2, gzip;q=0.7", {"gzip": 0.7}),
        ("text/html;level=1;q=0.4", {"text/html": 0.4}),
    ],
)
def test_weights_are_read_and_unreadable_ones_refuse(
    header: str, weights: dict[str, float]
) -> None:
    assert dict(parse_weights(header)) == weights


@pytest.mark.parametrize(
    ("header", "weight"),
    [
        ("*/*", 1.0),
        ("text/*;q=0.3, */*;q=0.1", 0.3),
        ("text/html;q=0, text/*", 0.0),
        ("image/png", 0.0),
        ("", 0.0),
    ],
)
def test_weight_of_a_type_is_that_of_its_closest_range(header: str, weight: float) -> None:
    assert weight_of_type(header, "text/html") == weight
