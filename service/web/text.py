"""Checks of text: one form of Unicode, and names that a reader can see.

NFC and NFD are two ways to write one text, such as é as one character or as e and an accent. Text
is kept in NFC, so that both are one name. Text that must come back as it was sent, such as the name
of a model, is not changed.
"""

import re
import unicodedata

# No width, or they turn the direction of the text: two names that look alike would differ.
_HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# Zero-width joiner and non-joiner: between letters of some scripts, and between emoji.
_JOINERS = re.compile("[\u200c\u200d]")
_JOINED = ("L", "M", "S")  # letters, marks and symbols
_WITHOUT_INK = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
)  # not space by category


def without_nul(value: str) -> str:
    """Return the text; a NUL character is a ValueError, because PostgreSQL keeps none."""
    if "\x00" in value:
        raise ValueError("must not contain the NUL character")
    return value


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
    hidden = _HIDDEN.search(value) or next(
        (found for found in _JOINERS.finditer(value) if not _joins(value, found.start())), None
    )
    if hidden is not None:
        raise ValueError(
            f"must not contain U+{ord(hidden[0]):04X}, which is invisible or changes the direction "
            "of text; remove it"
        )
    return value


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] not in "ZC" and char not in _WITHOUT_INK


def _joins(value: str, place: int) -> bool:
    """Return whether the character has letters or symbols on both sides."""
    if not 0 < place < len(value) - 1:
        return False
    return all(unicodedata.category(value[n])[0] in _JOINED for n in (place - 1, place + 1))
