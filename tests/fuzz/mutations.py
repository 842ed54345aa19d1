"""Changes of a valid body: of its tree before it is written, or of its bytes."""

import gzip
import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.hostile_values import CANARY, CONSTANTS, CONTAINERS, KEYS, NUMBERS, STRINGS


class Raw(str):
    """JSON text, written as it is."""

    __slots__ = ()


class Members(list[tuple[str, Any]]):
    """The members of an object, which may repeat."""


def tree_of(value: Any) -> Any:
    """Return a copy of a JSON value whose objects are ``Members``."""
    if isinstance(value, dict):
        return Members((name, tree_of(member)) for name, member in value.items())
    return [tree_of(member) for member in value] if isinstance(value, list) else value


def written(tree: Any) -> str:
    """Return a tree as JSON text; half surrogate pairs become escapes."""
    if isinstance(tree, Raw):
        return str(tree)
    if isinstance(tree, Members):
        return "{" + ",".join(f"{json.dumps(name)}:{written(value)}" for name, value in tree) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(written, tree)) + "]"
    return json.dumps(tree)


def mutated_tree(body: Any, fields: list[str], random: Random) -> bytes:
    """Return a body with one or two changes of a member or a value; ``fields`` may be added."""
    tree = tree_of(body)
    for _ in range(random.choice((1, 1, 2))):
        places = list(_places(tree))
        if not places or random.random() < 0.03:
            return _value(random).encode()
        container, index = random.choice(places)
        _change(container, index, fields or KEYS, random)
    return written(tree).encode()


def _places(tree: Any) -> Any:
    """Yield each container with each of its indexes."""
    if isinstance(tree, list):
        for index, entry in enumerate(tree):
            yield tree, index
            yield from _places(entry[1] if isinstance(tree, Members) else entry)


def _change(container: Any, index: int, fields: list[str], random: Random) -> None:
    if isinstance(container, Members):
        name, value = container[index]
        changes: list[Callable[[], object]] = [
            lambda: container.pop(index),
            lambda: container.append((name, value)),
            lambda: container.append((name, _value(random))),
            lambda: container.__setitem__(index, (random.choice(KEYS), value)),
            lambda: container.__setitem__(index, (name.upper(), value)),
            lambda: container.append((random.choice(KEYS), _value(random))),
            *[lambda: container.append((random.choice(fields), _value(random)))] * 3,
            *[lambda: container.__setitem__(index, (name, _value(random)))] * 8,
        ]
    else:
        changes = [
            lambda: container.pop(index),
            lambda: container.extend(container[index : index + 1] * random.choice((1, 50, 1100))),
            *[lambda: container.__setitem__(index, _value(random))] * 3,
        ]
    random.choice(changes)()


_TEXTS: list[list[str]] = [
    [json.dumps(text) for text in STRINGS],
    # Unescaped: control characters, real UTF-8.
    [f'"{text.encode("utf-8", "replace").decode()}"' for text in STRINGS],
    NUMBERS,
    CONSTANTS,
    CONTAINERS,
]


def _value(random: Random) -> Raw:
    """Return the JSON text of a hostile value; strings are the most frequent."""
    return Raw(random.choice(random.choice(_TEXTS)))


def mutated_bytes(body: bytes, random: Random) -> bytes:
    """Return a body of other bytes than its Content-Type promises."""
    text = body.decode()
    at = random.randrange(len(body) + 1)
    changes: list[Callable[[], bytes]] = [
        lambda: b"\xef\xbb\xbf" + body,
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-16-le"),
        lambda: text.encode("utf-32"),
        lambda: body[:at],
        lambda: body + random.choice((b"x", b"}", b"]", b",", b"\x00", b"{}", body, b"\n" + body)),
        lambda: body[:at] + random.randbytes(random.choice((1, 4, 64))) + body[at:],
        lambda: (
            body[:at] + random.choice((b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\x00")) + body[at:]
        ),
        lambda: body[:at] + b" " * 200_000 + body[at:],
        lambda: b"",
        lambda: b"\n" * 1000,
        lambda: random.randbytes(300),
        lambda: gzip.compress(body, mtime=0),
        lambda: json.dumps(CANARY + text).encode(),
        lambda: b"[" + body + b"]",
        lambda: b"[" * 100_000,
        lambda: body.replace(b'"', b"'"),
        lambda: b"a=" + CANARY.encode() + b"&a=b&%ff=%00&" + body,
    ]
    return random.choice(changes)()
