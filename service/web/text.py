"""Checks of text: one form of Unicode, and names that a reader can see.

NFC and NFD are two ways to write one text, such as é as one character or as e and an accent. Text
is kept in NFC, so that both are one name. Text that must come back as it was sent, such as the name
of a model, is not changed.
"""

import posixpath
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Controls and breaks of lines, and what has no width or no ink, or turns the direction of the text:
# two names that look alike would differ.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e00ff]"
)
# Zero-width joiner and non-joiner, and selectors of the variant of the character before.
_JOINERS, _SELECTORS = "\u200c\u200d", re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_AROUND = re.compile(f"[{_JOINERS}]|{_SELECTORS.pattern}")
# A flag of a region, such as that of Wales, and a digit in a keycap.
_EMOJI = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f|[0-9#*]\ufe0f\u20e3")
_is_key = re.compile(r"[/\w.\- :]*").fullmatch
KEY_DETAIL = (
    "must have letters, digits, underscores, dashes, dots, blanks, colons and slashes alone"
)
PATH_DETAIL = "must be the same as a path: no / at its beginning or end, no //, . or .. between"
_EMOJI_OF_LATIN = "©®‼⁉™ℹ〰"  # noqa: RUF001 - emoji that are punctuation, letters or old signs
_FIRST_WITHOUT_CASE = (
    "\u0590"  # where Hebrew begins; ª and º are of the same category as its letters
)


def without_nul(value: str) -> str:
    """Return the text; a NUL character is a ValueError, because PostgreSQL keeps none."""
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


@lru_cache(10_000)  # a training logs the same few keys again and again
def usable_key(key: str) -> str:
    """Return the key of a metric, param or tag; charts and artifacts use it as a path.

    Raises:
        ValueError: it has other characters, or is not its own normalised path.
    """
    if not _is_key(key):
        raise ValueError(KEY_DETAIL)
    if key.startswith(("/", "..")) or posixpath.normpath(key) != key or key == ".":
        raise ValueError(PATH_DETAIL)
    return key


def composed(value: str) -> str:
    """Return the text in NFC."""
    return unicodedata.normalize("NFC", value)


def visible_name(value: str) -> str:
    """Return a name that a reader can see as it is.

    Raises:
        ValueError: it is blank, or has a character without width or for the direction of text.
    """
    if not any(map(_is_visible, value)):
        raise ValueError("must have a visible character; send a name that a reader can see")
    hidden = next(_hidden_in(_EMOJI.sub("", value)), None)
    if hidden is not None:
        raise ValueError(
            f"must not contain U+{ord(hidden):04X}, which is invisible or changes the direction "
            "of text; remove it"
        )
    return value


def _is_visible(char: str) -> bool:
    return (
        unicodedata.category(char)[0] not in "ZC"
        and char != "\u2800"  # not space by category
        and not _HIDDEN.match(char)
    )


def _hidden_in(value: str) -> Iterator[str]:
    if value.isascii() and value.isprintable():
        return
    yield from _HIDDEN.findall(value)
    for found in _AROUND.finditer(value):
        before, after = value[: found.start()], value[found.end() :]
        if found[0] in _JOINERS:
            belongs = _joins(_base(before)) and (_joins(after[:1]) or _is_mark(after[:1]))
        else:
            belongs = _joins(before[-1:])
        if not belongs:
            yield found[0]


def _base(before: str) -> str:
    """Return the last character without its marks, selectors among them."""
    return next((char for char in reversed(before) if not _is_mark(char)), "")


def _is_mark(char: str) -> bool:
    return char != "" and unicodedata.category(char)[0] == "M"


def _joins(char: str) -> bool:
    """Return whether it is a letter of a script without case, or an emoji or another symbol."""
    if char == "" or char in _EMOJI_OF_LATIN:
        return char != ""
    category = unicodedata.category(char)
    return char >= _FIRST_WITHOUT_CASE and (category == "Lo" or category[0] == "S")
