"""Words of the search language: names, quoted text, numbers, operators.

One regular expression splits a text; no part of it goes back, so the time is linear.
"""

import re
from typing import Literal, NamedTuple

from service.core.errors import ServiceError, has_surrogate
from service.relational.search_language.errors import InvalidFilter, InvalidOrder

MOST_CHARS = 10_000
Kind = Literal["blank", "number", "bare", "ticked", "double", "single", "sign", "end"]
Error = type[InvalidFilter] | type[InvalidOrder]

_WORD = re.compile(
    r"(?P<blank>\s++)"
    r"|(?P<number>-?+(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+)(?![\w.])"
    r"|(?P<bare>[\w.]++)"
    r"|`(?P<ticked>[^`]*+)`"
    r'|"(?P<double>(?:[^"]|"")*+)"'
    r"|'(?P<single>(?:[^']|'')*+)'"
    r"|(?P<sign>!=|<=|>=|[=<>(),])"
)


class Word(NamedTuple):
    """A word: its kind, its text without quotes, and the characters before it and its end."""

    kind: Kind
    text: str
    at: int
    end: int

    @property
    def keyword(self) -> str:
        """The word in capitals if it can be a keyword."""
        return self.text.upper() if self.kind == "bare" else ""


def split(text: str, error: Error) -> list[Word]:
    """Return the words of a text, and behind them one of the kind ``end``.

    Raises:
        error: the text is too long, or has what is no word.
    """
    _check_characters(text, error)
    words: list[Word] = []
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if found is None:
            raise _unknown(text, at, error)
        kind: Kind = found.lastgroup  # type: ignore[assignment] # one of the names above
        if kind != "blank":
            words.append(Word(kind, found[kind], at, found.end()))
        at = found.end()
    return [*words, Word("end", "", at, at)]


def _check_characters(text: str, error: Error) -> None:
    if len(text) > MOST_CHARS:
        raise error(f"Send at most {MOST_CHARS} characters.")
    if "\x00" in text or has_surrogate(text):
        raise error("Remove the NUL characters and the halves of surrogate pairs.")


def _unknown(text: str, at: int, error: Error) -> ServiceError:
    if text[at] in "`'\"":
        return error(f"Close the quote {text[at]} that begins here.", at)
    return error(f"Remove {text[at]!r}, or put the name in backticks or the text in quotes.", at)
