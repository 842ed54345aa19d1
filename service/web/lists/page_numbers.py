"""Pages found by their number: totals, and the addresses of the pages around one."""

import math
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import quote, unquote_plus, urlencode

from fastapi import Request

from service.core.errors import Refused

MAX_OFFSET = 10_000
MOST_COUNTED = 10_000  # items that a page by number counts exactly: some milliseconds of work
_PLACES = {"cursor", "offset", "page", "page_size"}
_AS_SENT = "%!$'()*+,/:;=?@"  # what a query may have beside letters and digits (RFC 3986, 3.4)


class PageTooFar(Refused):
    code, title, pointer = "page_too_far", "Page is too far from the start", "/query/page"
    detail = f"Pages begin within the first {MAX_OFFSET} items; beyond them, follow next_cursor."


class Total(NamedTuple):
    """How many items a list has on all pages."""

    items: int
    is_estimated: bool = False

    def pages(self, size: int) -> int:
        """Return the number of pages of ``size`` items."""
        return math.ceil(self.items / size)


class Around(NamedTuple):
    """A page by number, as its Link header needs it; ``cursor`` is set if a page follows."""

    number: int
    size: int
    cursor: str | None
    total: Total

    def links(self) -> dict[str, dict[str, Any]]:
        """Return the places of other pages, by their relation (RFC 8288).

        The next page is found by the cursor where numbers end.
        """
        numbers = {"first": 1, "prev": self.number - 1} if self.number > 1 else {}
        last = self.total.pages(self.size)
        if self.cursor is not None:
            numbers["next"] = self.number + 1
        if last and not self.total.is_estimated:
            numbers["last"] = last
        places: dict[str, dict[str, Any]] = {
            name: {"page": number, "page_size": self.size}
            for name, number in numbers.items()
            if (number - 1) * self.size <= MAX_OFFSET
        }
        if self.cursor is not None and "next" not in places:
            places["next"] = {"limit": self.size, "cursor": self.cursor}
        return places


def link_header(request: Request, places: dict[str, dict[str, Any]]) -> str:
    """Return the Link header to these places of the list; relative, to work behind any proxy.

    The other parameters stay as they were sent, so that the address becomes no longer than needed.
    """
    fields = request.scope.get("fields")
    added = {} if fields is None else {"fields": fields}
    links = []
    for relation, place in places.items():
        kept = other_pairs(request.scope["query_string"], {*_PLACES, *place})
        pairs = [*kept, urlencode({**added, **place}, safe=",")]
        links.append(f'<{request.url.path}?{"&".join(pairs)}>; rel="{relation}"')
    return ", ".join(links)


def address_bytes(path: bytes, query: bytes) -> int:
    """Return the length of an address without the parameters that the service itself adds to it."""
    return len(path) + len("&".join(other_pairs(query, {*_PLACES, "limit"})))


def other_pairs(query: bytes, names: Collection[str]) -> list[str]:
    """Return the parameters of a query with other names, each encoded as it was sent."""
    return [
        quote(pair, safe=_AS_SENT)
        for pair in query.split(b"&")
        if pair and unquote_plus(pair.partition(b"=")[0].decode("latin-1")) not in names
    ]
