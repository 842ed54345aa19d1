"""Attributes: any JSON, which comes back equal."""

from typing import Any

import httpx2
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
keys = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00.$"), min_size=1, max_size=20
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def _typed(value: Any) -> Any:
    """Return a value that equals another only if all types in it are equal too."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return type(value), repr(value)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(attributes=st.dictionaries(keys, values, max_size=5))
@example(attributes={"_id": 1, "__proto__": {}, "é": "e\u0301", "0": [[]], "a b/c~d": -0.0})
@example(attributes={"big": 2**63 - 1, "small": -(2**63), "tiny": 5e-324, "one": 1.0})
async def test_item_attributes_round_trip_unchanged(
    client: httpx2.AsyncClient, attributes: dict[str, Any]
) -> None:
    created = await client.post("/v1/items", json={"name": "x", "attributes": attributes})
    assert created.status_code == 201, created.text
    read = await client.get(created.headers["location"])
    assert _typed(read.json()["attributes"]) == _typed(attributes)
    assert read.json() == created.json()
