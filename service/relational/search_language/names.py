"""Names, in filters and orders: ``loss``, ``metrics.loss``, ``metrics.`val loss` ``."""

from collections.abc import Sequence

from service.relational.search_language.tree import Name
from service.relational.search_language.words import Error, Word

_QUOTED_KEY = {"ticked", "double"}


def name_at(words: Sequence[Word], place: int, error: Error) -> tuple[Name, int]:
    """Return the name at a place, and the place behind it.

    The parts of a name touch one another: ``tags .a`` is none.

    Raises:
        error: no name is there.
    """
    first = words[place]
    if first.kind not in {"bare", *_QUOTED_KEY}:
        raise error("Send a name, such as metrics.loss or status.", first.at)
    entity, key, place = None, first.text, place + 1
    if first.kind == "bare" and "." in key:
        entity, _, key = key.partition(".")
    elif first.kind == "ticked" and _touches(words, place) and words[place].text[:1] == ".":
        entity, key, place = key, words[place].text[1:], place + 1
    if entity is not None and not key and _touches(words, place):
        key, place = words[place].text, place + 1
    if not key or entity == "":
        raise error(
            "Send the whole name: entity.key, with the key in backticks if needed.", first.at
        )
    return Name(entity, key, first.at), place


def _touches(words: Sequence[Word], place: int) -> bool:
    word, before = words[place], words[place - 1]
    return word.at == before.end and word.kind in {"bare", *_QUOTED_KEY}
