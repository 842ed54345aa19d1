"""Lists in headers (RFC 9110, 5.3), and the weights of Accept and Accept-Encoding (12.4.2)."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

Headers = list[tuple[bytes, bytes]]
_LISTS = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"cache-control",
        b"content-encoding",
        b"if-match",
        b"if-none-match",
    )
)


def join_lists(headers: Headers) -> Headers:
    """Return the headers with each list in one line, because readers take only one."""
    lists: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _LISTS:
            lists.setdefault(name, []).append(value)
    if all(len(values) == 1 for values in lists.values()):
        return headers
    others = [header for header in headers if header[0] not in lists]
    return [*others, *((name, b", ".join(values)) for name, values in lists.items())]


@lru_cache(maxsize=64)  # clients send few different headers, and the same ones with each request
def parse_weights(header: str) -> Mapping[str, float]:
    """Return the weight of each choice, in lower case and without its other parameters.

    A choice of weight 0 is refused, and so is one whose weight cannot be read. Of a choice that
    occurs twice the larger weight counts.
    """
    weights: dict[str, float] = {}
    for choice in header.lower().split(","):
        name, *parameters = (part.strip() for part in choice.split(";"))
        if name:
            weights[name] = max(_weight(parameters), weights.get(name, 0.0))
    return MappingProxyType(weights)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0


def weight_of_type(header: str, media_type: str) -> float:
    """Return the weight that an Accept header gives to a media type, such as ``text/html``."""
    weights = parse_weights(header)
    family = f"{media_type.partition('/')[0]}/*"
    for name in (media_type, family, "*/*"):
        if name in weights:
            return weights[name]
    return 0.0
