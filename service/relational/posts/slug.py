"""A post's address made of its title."""

import re
import unicodedata


def slug_of(title: str) -> str:
    """``Größe & Maß`` becomes ``grosse-mass``: what is left in ASCII, words joined by dashes."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    # Small once more: NFKD takes apart what stands for capitals and has no small form itself.
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:100].strip("-") or "post"
