"""Pagination of lists by signed cursors, offsets and page numbers, the same for both stores.

A cursor is the sort values and the id of the last item, signed together with path, filters and
sort: with others it is refused, because its page would be meaningless.
"""

import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from fastapi import Request, Response
from pydantic import MISSING, BeforeValidator, Field, model_validator

from service.core.signing import Signer
from service.web.lists.cursors import MAX_CURSOR, Cursor, read_cursor, write_cursor
from service.web.lists.filter_query import FilterQuery
from service.web.lists.large_pages import LargePage
from service.web.lists.page_numbers import (
    MAX_OFFSET,
    MOST_COUNTED,
    Around,
    PageTooFar,
    Total,
    link_header,
)
from service.web.lists.sorting import COMMITTED
from service.web.schemas import ResponseModel

T = TypeVar("T")
DEFAULT_LIMIT, MAX_LIMIT = 50, 200


def _decimal(value: Any) -> Any:
    """Read decimal digits, however many and of any script; leave all else to the validator."""
    if isinstance(value, str) and value.isdecimal():
        return int(value.lstrip("0")[:10] or "0")
    return value


def coerced_limit(value: Any) -> Any:
    """Reduce a larger limit to the maximum; leave invalid values to the validator."""
    value = _decimal(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, MAX_LIMIT)
    return value


class ListQuery(FilterQuery):
    """Query of every list. A feature adds its ``sort`` and filters: ``field``, ``field__op``."""

    limit: Annotated[
        int,
        Field(
            ge=1,
            description=f"items a page, at most {MAX_LIMIT}; a larger number is taken as that. "
            "A page of over 8 MiB ends earlier, with a next_cursor; behind an offset and by number "
            "it is refused",
        ),
        BeforeValidator(coerced_limit),
    ] = DEFAULT_LIMIT
    cursor: str | None = Field(
        None, max_length=MAX_CURSOR, description="next_cursor of the page before"
    )
    sort: str = "-created_at"
    count: Literal["none", "estimated", "exact"] = Field(
        "none",
        description="fills `total`; exact reads all that the filters let through, and so does "
        "estimated on MongoDB where there are filters",
    )

    @property
    def size(self) -> int:
        """The most items of the page."""
        return self.limit

    @property
    def skip(self) -> int:
        """The items before the page, if it is found by counting them."""
        return 0

    @property
    def number(self) -> int | None:
        """The number of the page, if it is found by that."""
        return None

    @property
    def by_offset(self) -> bool:
        """Whether the page is found by counting items, so that the next one is too."""
        counts = self.number is not None or "offset" in self.model_fields_set
        return counts and self.cursor is None

    def split_page(self, found: Sequence[T]) -> tuple[Sequence[T], T | None]:
        """Return the items of the page, and its last item if there are more.

        ``found`` has at most ``size + 1`` items; the extra item shows that there are more.
        """
        shown = found[: self.size]
        return shown, shown[-1] if len(found) > self.size else None


class OffsetQuery(ListQuery):
    """Query of lists whose pages are also found by an offset or by their number."""

    offset: Annotated[int, BeforeValidator(_decimal)] = Field(
        0, ge=0, le=MAX_OFFSET, description="items to skip, instead of a cursor"
    )
    page: Annotated[int | None, BeforeValidator(_decimal)] = Field(
        None, ge=1, description="number of the page from 1, instead of a cursor; fills `total`"
    )
    page_size: Annotated[int | None, BeforeValidator(coerced_limit)] = Field(
        None,
        ge=1,
        description=f"items a page, {DEFAULT_LIMIT} without it; instead of `limit`, at most "
        f"{MAX_LIMIT} too",
    )

    @property
    def size(self) -> int:
        if self.number is None:
            return self.limit
        return DEFAULT_LIMIT if self.page_size is None else self.page_size

    @property
    def skip(self) -> int:
        return self.offset if self.number is None else (self.number - 1) * self.size

    @property
    def number(self) -> int | None:
        return 1 if self.page is None and self.page_size is not None else self.page

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        # By values, because generated clients send defaults too.
        if self.number is not None:
            others = self.cursor is not None or self.offset != 0 or self.limit != DEFAULT_LIMIT
            if others or self.sort == COMMITTED:
                raise ValueError(
                    "page and page_size go without cursor, offset, limit and sort=committed"
                )
            if self.skip > MAX_OFFSET:
                raise PageTooFar
        if self.skip and (self.cursor is not None or self.sort == COMMITTED):
            raise ValueError("takes a cursor or an offset, not both; sort=committed takes a cursor")
        return self


class PageInfo(ResponseModel):
    limit: int
    next_cursor: str | None
    has_more: bool


class Page(ResponseModel, Generic[T]):
    """One page of a list. ``total`` is set if ``count`` or a page number requests it."""

    items: list[T]
    page: PageInfo
    total: int | None = None
    total_pages: int | MISSING = Field(MISSING, description="of a page by number alone")
    total_is_estimated: bool | MISSING = Field(
        MISSING,
        description=f"of a page by number alone: beyond {MOST_COUNTED} items PostgreSQL's planner "
        "estimates the total, and items on MongoDB are at least as many",
    )


class Paginator:
    """Reads and writes the cursors of one request and sets its Link header."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request, self._response = request, response
        self._signer: Signer = request.state.signer

    def position(self, query: ListQuery) -> Cursor | None:
        """Return the position after which the page begins; None at the start of the list."""
        if query.cursor is None:
            return None
        return read_cursor(query.cursor, self._made_for(query), self._signer)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that the request names, none if it wants all of them."""
        named: str | None = self._request.scope.get("fields")
        return frozenset() if named is None else frozenset(named.split(","))

    def page(
        self, query: ListQuery, items: Sequence[T], end: Cursor | None, total: Total | None
    ) -> Page[T]:
        """Return a page of ``items``.

        ``end`` is its end if another page may follow, ``total`` the count if requested.
        """
        info, numbers = self._info(query, end, total), _numbers(query, total)
        count = None if total is None else total.items
        return Page(items=list(items), page=info, total=count, **numbers)

    def answer(
        self, query: ListQuery, items: bytes, end: Cursor | None, total: Total | None
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
        total: Total | None,
    ) -> Response:
        """Return the response of a page whose items are read while it is sent."""
        return LargePage(batches, *self._after_items(query, end, total), self._request)

    def _after_items(
        self, query: ListQuery, end: Cursor | None, total: Total | None
    ) -> tuple[bytes, dict[str, str]]:
        """Return what follows the items of a page, and its headers."""
        info = self._info(query, end, total).model_dump_json()
        link = self._response.headers.get("Link")
        count = "null" if total is None else str(total.items)
        numbers = json.dumps(_numbers(query, total), separators=(",", ":"))[1:-1]
        rest = f',"page":{info},"total":{count}{"," if numbers else ""}{numbers}}}'
        return rest.encode(), {} if link is None else {"Link": link}

    def _info(self, query: ListQuery, end: Cursor | None, total: Total | None) -> PageInfo:
        cursor = end and write_cursor(end, self._made_for(query), self._signer)
        has_more = end is not None and end.has_more
        following = cursor if has_more else None
        places: dict[str, dict[str, Any]] = {}
        if query.number is not None and total is not None:
            places = Around(query.number, query.size, following, total).links()
        elif following is not None:
            places = {"next": {"cursor": following}}
        if places and self._request.method == "GET":
            self._response.headers["Link"] = link_header(self._request, places)
        return PageInfo(limit=query.size, next_cursor=cursor, has_more=has_more)

    def _made_for(self, query: ListQuery) -> bytes:
        """Return what a cursor is signed with."""
        list_ = [self._request.url.path, query.sort, query.filters()]
        return json.dumps(list_, default=str, sort_keys=True).encode()


def _numbers(query: ListQuery, total: Total | None) -> dict[str, Any]:
    """Return the further fields of a page by number."""
    if query.number is None or total is None:
        return {}
    return {"total_pages": total.pages(query.size), "total_is_estimated": total.is_estimated}
