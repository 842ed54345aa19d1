"""The filters of a list's query, and the guard against a filter that its list would ignore."""

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel, ConfigDict

_NOT_FILTERS = {"limit", "cursor", "sort", "count", "offset", "page", "page_size", "expand"}


class FilterQuery(BaseModel):
    """A query whose fields are filters, ``field`` and ``field__op``, and the place of the page."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def filters(self) -> dict[str, Any]:
        """Return the filters of the query."""
        values = self.model_dump(exclude=_NOT_FILTERS, exclude_none=True)
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def require_applied(
        cls, columns: Collection[str], operators: Collection[str], others: Collection[str]
    ) -> None:
        """Refuse a filter that a list would ignore.

        Args:
            columns: each ``field`` that the list compares.
            operators: each ``op`` it compares by; the empty one is equality.
            others: names of filters that it applies otherwise.

        Raises:
            TypeError: with the filters that are neither.
        """
        names = cls.model_fields.keys() - _NOT_FILTERS - set(others)
        known = {f"{field}__{op}".removesuffix("__") for field in columns for op in operators}
        if ignored := ", ".join(sorted(names - known)):
            raise TypeError(
                f"{cls.__name__} has filters that its list ignores: {ignored}. Name their columns "
                "in filters=, or what the repository itself applies in elsewhere=."
            )

    @classmethod
    def require_same(cls, query: "FilterQuery") -> None:
        """Raise TypeError if a list of this query is asked by one that may have other filters."""
        if type(query) not in cls.__mro__:
            raise TypeError(f"the list is of {cls.__name__}, not of {type(query).__name__}")
