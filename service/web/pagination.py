"""Pagination of lists by signed cursors, the same for both stores.

A cursor is the sort value and the id of the last item, signed together with path, filters and sort:
with others it is refused, because its page would be meaningless.
"""

import base64
import binascii
import json
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from service.core.errors import BadRequest
from service.core.signing import SIGNATURE_BYTES, Signer
from service.web.large_pages import LargePage
from service.web.schemas import ResponseModel

T = TypeVar("T")
DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET = 50, 200, 10_000


class BadCursor(BadRequest):
    code, title = "bad_cursor", "Cursor is not valid for this list"
    detail = "Send next_cursor unchanged, with the same filters and sort, or start without one."


def _coerced(value: Any) -> Any:
    """Reduce a larger limit to the maximum; leave invalid values to the validator."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value.lstrip("0")[:10] or "0")
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, MAX_LIMIT)
    return value


class ListQuery(BaseModel):
    """Query of every list. A feature adds its ``sort`` and filters: ``field``, ``field__op``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[
        int,
        Field(
            ge=1,
            description=f"items a page, at most {MAX_LIMIT}; a larger number is taken as that. "
            "A page of over 8 MiB ends earlier, with a next_cursor; with an offset it is refused",
        ),
        BeforeValidator(_coerced),
    ] = DEFAULT_LIMIT
    cursor: str | None = Field(None, max_length=1000, description="next_cursor of the page before")
    sort: str = "-created_at"
    count: Literal["none", "estimated", "exact"] = Field(
        "none",
        description="fills `total`; exact reads all that the filters let through, and so does "
        "estimated on MongoDB where there are filters",
    )

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
    def require_same(cls, query: "ListQuery") -> None:
        """Raise TypeError if a list of this query is asked by one that may have other filters."""
        if type(query) not in cls.__mro__:
            raise TypeError(f"the list is of {cls.__name__}, not of {type(query).__name__}")

    def split_page(self, found: Sequence[T]) -> tuple[Sequence[T], T | None]:
        """Return the items of the page, and its last item if there are more.

        ``found`` has at most ``limit + 1`` items; the extra item shows that there are more.
        """
        shown = found[: self.limit]
        return shown, shown[-1] if len(found) > self.limit else None


class OffsetQuery(ListQuery):
    """Query of lists with offsets."""

    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="items to skip, instead of a cursor")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.offset and (self.cursor is not None or self.sort == "committed"):
            raise ValueError("takes a cursor or an offset, not both; sort=committed takes a cursor")
        return self


_NOT_FILTERS = {"limit", "cursor", "sort", "count", "offset", "expand"}


class PageInfo(ResponseModel):
    limit: int
    next_cursor: str | None
    has_more: bool


class Page(ResponseModel, Generic[T]):
    """One page of a list. ``total`` is set if ``count`` requests it."""

    items: list[T]
    page: PageInfo
    total: int | None = None


class Cursor(NamedTuple):
    """The last item of a page: its sort value and its id, and whether items follow it by now."""

    value: Any
    key: UUID
    has_more: bool = True


class Sort(NamedTuple):
    """A sort field and its direction."""

    field: str
    descending: bool

    @classmethod
    def parse(cls, sort: str) -> "Sort":
        return cls(sort.removeprefix("-"), sort.startswith("-"))


class Paginator:
    """Reads and writes the cursors of one request and sets its Link header."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response
        self._signer: Signer = request.state.signer

    def position(self, query: ListQuery) -> Cursor | None:
        """Return the position after which the page begins; None at the start of the list."""
        if query.cursor is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(query.cursor.encode("ascii"))
            signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
            if not self._signer.verify(signature, self._signed_message(payload, query)):
                raise BadCursor
            kind, value, key = json.loads(payload)
        except (binascii.Error, UnicodeError, ValueError) as error:
            raise BadCursor from error
        return Cursor(_KINDS[kind](value), UUID(key))

    def page(
        self, query: ListQuery, items: Sequence[T], end: Cursor | None, total: int | None
    ) -> Page[T]:
        """Return a page of ``items``.

        ``end`` is its end if another page may follow, ``total`` the count if requested.
        """
        return Page(items=list(items), page=self._info(query, end), total=total)

    def answer(
        self, query: ListQuery, items: bytes, end: Cursor | None, total: int | None
    ) -> Response:
        """Return the response of a page whose items are JSON already, without brackets."""
        rest, headers = self._after_items(query, end, total)
        body = b'{"items":[%b]%b' % (items, rest)
        return Response(body, media_type="application/json", headers=headers)

    def stream(
        self,
        query: ListQuery,
        batches: AsyncGenerator[Iterable[bytes]],
        end: Cursor | None,
        total: int | None,
    ) -> Response:
        """Return the response of a page whose items are read while it is sent."""
        return LargePage(batches, *self._after_items(query, end, total), self._request)

    def _after_items(
        self, query: ListQuery, end: Cursor | None, total: int | None
    ) -> tuple[bytes, dict[str, str]]:
        """Return what follows the items of a page, and its headers."""
        info = self._info(query, end).model_dump_json()
        link = self._response.headers.get("Link")
        rest = f',"page":{info},"total":{json.dumps(total)}}}'
        return rest.encode(), {} if link is None else {"Link": link}

    def _info(self, query: ListQuery, end: Cursor | None) -> PageInfo:
        cursor = None if end is None else self._cursor(end, query)
        has_more = end is not None and end.has_more
        if cursor is not None and has_more and self._request.method == "GET":
            self._link(cursor)
        return PageInfo(limit=query.limit, next_cursor=cursor, has_more=has_more)

    def _cursor(self, end: Cursor, query: ListQuery) -> str:
        kind = type(end.value).__name__
        value = end.value if kind in ("int", "str", "float") else str(end.value)
        payload = json.dumps([kind, value, str(end.key)]).encode()
        signature = self._signer.sign(self._signed_message(payload, query))
        return base64.urlsafe_b64encode(signature + payload).decode()

    def _signed_message(self, payload: bytes, query: ListQuery) -> bytes:
        made_for = json.dumps(
            [self._request.url.path, query.sort, query.filters()], default=str, sort_keys=True
        )
        return payload + b"\0" + made_for.encode()

    def _link(self, cursor: str) -> None:
        """Set the Link header (RFC 8288); relative, so that it works behind any proxy."""
        kept = [
            (name, value)
            for name, value in self._request.query_params.multi_items()
            if name not in ("cursor", "offset")
        ]
        fields = self._request.scope.get("fields")
        if fields is not None:
            kept.append(("fields", fields))
        target = f"{self._request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
        self._response.headers["Link"] = f'<{target}>; rel="next"'


_KINDS: dict[str, Callable[[Any], Any]] = {
    "int": int, "str": str, "float": float, "Decimal": Decimal, "datetime": datetime.fromisoformat,
}  # fmt: skip
