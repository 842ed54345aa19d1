"""Slugs of posts, made from their titles."""

import re
import unicodedata


def slug_of(title: str) -> str:
    """Return the ASCII slug of a title: ``Größe & Maß`` becomes ``grosse-mass``."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    # Small once more: NFKD takes apart what stands for capitals and has no small form itself.
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:100].strip("-") or "post"
