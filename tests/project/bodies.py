"""Bodies that no client should send: any bytes, and valid bodies with one place changed."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

CANARY = "c4n4ry"  # no response may repeat a value
# Text of any code points: json.dumps writes half a surrogate pair as an escape.
_texts = st.text(st.characters(exclude_categories=()), max_size=8)
_names = st.one_of(_texts, st.sampled_from(["\ud83d", "$x", "a.b", "", "_id", "x" * 5000]))
_long = _texts.map(lambda text: CANARY + text * 700)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    _texts.map(lambda text: f"{CANARY}{text}"),
    _long,
)
values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=5,
)
Change = Callable[[Any], Any]


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """A function that replaces, adds or renames one member of a JSON value."""
    place, action = draw(st.integers(0, 1000)), draw(st.sampled_from(["replace", "add", "rename"]))
    name, value = draw(_names), draw(values)

    def change(body: Any) -> Any:
        changed = deepcopy(body)
        members = list(_members(changed))
        if not members:
            return value
        parent, key = members[place % len(members)]
        if action == "replace":
            parent[key] = value
        elif isinstance(parent, list):
            parent.append(value)
        elif action == "add":
            parent[name] = value
        else:
            parent[name] = parent.pop(key)
        return changed

    return change


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each object or array with each of its keys or places."""
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _members(child)


def _changed_json(change: Change) -> Callable[[Any], bytes]:
    return lambda body: json.dumps(change(body)).encode()


def _any_bytes(content: bytes) -> Callable[[Any], bytes]:
    return lambda _body: content


# Functions from a valid body to bytes.
bodies = st.one_of(
    changes().map(_changed_json),
    st.one_of(
        st.binary(max_size=40),
        values.map(lambda value: json.dumps(value).encode()),
        st.sampled_from([b'{"\\ud83d": 1}', b"{" * 50_000, b"[" * 50_000, b'{"a": NaN}', b"\xff"]),
    ).map(_any_bytes),
)
