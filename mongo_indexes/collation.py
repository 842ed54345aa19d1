"""The options that the server adds to a collation with only a locale.

Taken from MongoDB 6.0.5 (ICU 57.1) by creating an index with each locale of
https://www.mongodb.com/docs/manual/reference/collation-locales-defaults/ and reading it back.
"""

from collections.abc import Mapping
from typing import Any

_DEFAULTS: dict[str, Any] = {
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

_LOCALE_DEFAULTS: dict[str, dict[str, Any]] = {
    "da": {"caseFirst": "upper"},
    "mt": {"caseFirst": "upper"},
    "fr_CA": {"backwards": True},
    "th": {"alternate": "shifted"},
}


def with_defaults(collation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the collation with all options; empty for None and for `simple`, which are the same.

    The ICU version is left out, because it is the server's and cannot be declared.
    """
    if collation is None or collation["locale"] == "simple":
        return {}
    locale = collation["locale"]
    options = _DEFAULTS | {"normalization": locale in _NORMALIZED}
    options |= _LOCALE_DEFAULTS.get(locale, {}) | dict(collation)
    options.pop("version", None)
    return options
