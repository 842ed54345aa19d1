"""The collections on the server that cannot become what is declared. No I/O here.

Tried on MongoDB 6.0.5. A clustered collection is not among them: it has everything that can be
declared.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mongo_indexes.collation import with_defaults
from mongo_indexes.declare import CollectionSpec
from mongo_indexes.step import Kind, Risk, Step

_REMEDY = "rename it, apply, then copy its documents into the new collection ($merge)"


def refusals(declared: CollectionSpec, options: Mapping[str, Any]) -> list[Step]:
    """Return a step for each reason why apply must not touch the collection; none if it may.

    `options`: those of listCollections.
    """
    return [
        Step(declared.name, Kind.REFUSE, "", Risk.DANGEROUS, reason)
        for reason in _reasons(declared.name, options)
    ]


def _reasons(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    if "viewOn" in options:
        yield (
            f"is a view of {options['viewOn']}, and a view has no indexes and takes no writes; "
            "drop it (to keep it, create it again under another name), then apply"
        )
    elif "timeseries" in options:
        yield (
            f"is a time series, kept in system.buckets.{name}: it allows no unique index and no "
            "validator; copy its documents elsewhere, drop both collections, then apply"
        )
    else:
        yield from _harmful(options)


def _harmful(options: Mapping[str, Any]) -> Iterator[str]:
    if options.get("capped"):
        yield f"is capped: MongoDB deletes its oldest documents when it is full; {_REMEDY}"
    collation = with_defaults(options.get("collation"))
    if collation:
        rules = f"{collation['locale']}, strength {collation['strength']}"
        yield (
            f"has a default collation ({rules}) that is not declared: it decides which texts are "
            f"equal, and their order; {_REMEDY}"
        )
    fields = options.get("encryptedFields", {}).get("fields", [])
    if fields:
        paths = ", ".join(field["path"] for field in fields)
        yield f"has encrypted fields ({paths}), which the service cannot read or write; {_REMEDY}"
