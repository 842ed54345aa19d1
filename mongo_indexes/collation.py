"""What the server adds to a collation that gives only its locale.

Taken from MongoDB 6.0.5 (ICU 57.1) by creating an index with each locale of
https://www.mongodb.com/docs/manual/reference/collation-locales-defaults/ and reading it back.
"""

from collections.abc import Mapping
from typing import Any

_EVERYWHERE: dict[str, Any] = {
    "caseLevel": False,
    "caseFirst": "off",
    "strength": 3,
    "numericOrdering": False,
    "alternate": "non-ignorable",
    "maxVariable": "punct",
    "normalization": False,
    "backwards": False,
}

_NORMALIZED = frozenset(
    ("as", "bn", "bn@collation=traditional", "el", "fa", "fa_AF", "gu", "he", "hi", "ig", "km",
     "kn", "kok", "mr", "my", "or", "pa", "ps", "si", "ta",
     "te",  # codespell:ignore te
     "th", "vi",
     "vi@collation=traditional",
     "yi", "yo", "az@collation=search", "be@collation=search", "bg@collation=search",
     "bs@collation=search", "ca@collation=search", "da@collation=search", "ko@collation=search",
     "nb@collation=search", "nn@collation=search", "smn@collation=search")
)  # fmt: skip

_OF_A_LOCALE: dict[str, dict[str, Any]] = {
    "da": {"caseFirst": "upper"},
    "mt": {"caseFirst": "upper"},
    "fr_CA": {"backwards": True},
    "th": {"alternate": "shifted"},
}


def filled_in(collation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The whole collation; empty for none and for `simple`, which are the same.

    The ICU version is left out: it is the server's, and cannot be declared.
    """
    if collation is None or collation["locale"] == "simple":
        return {}
    locale = collation["locale"]
    whole = _EVERYWHERE | {"normalization": locale in _NORMALIZED} | _OF_A_LOCALE.get(locale, {})
    whole |= collation
    whole.pop("version", None)
    return whole
