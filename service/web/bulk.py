"""Bulk requests: up to 1,000 items, all or none; or, with ``atomic=false``, those that can be done.

Both ways are the same few statements for all items. A deed takes what fails out of its
:class:`Batch` and does the rest, whose answer has a status per item. If all or none are wanted,
anything that failed becomes one refusal, and with it the transaction rolls back.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar
from uuid import UUID

from fastapi import Query, Response
from pydantic import (
    MISSING,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from service.core.errors import MAX_ERRORS, Conflict, FieldError, Refused, ServiceError
from service.web.openapi import ProblemError, problems
from service.web.problems import invalid_input
from service.web.schemas import MAX_ITEMS, RequestModel, ResponseModel, Versioned

T = TypeVar("T")
R = TypeVar("R")


class SomeItemsRefused(Conflict):
    code, title = "items_refused", "Some items are not valid"
    detail = "Correct the items that errors names; nothing was changed."


class DuplicateItem(Refused):
    code, title = "repeated", "Item is a duplicate of an earlier one"
    detail = "Send each object once."


# -- in --------------------------------------------------------------------------------------------


class InvalidItem(NamedTuple):
    """An item that does not fit the schema, and its error."""

    refusal: ServiceError


def _or_broken(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return InvalidItem(invalid_input({**item, "loc": ("body", *item["loc"])} for item in found))


# The items of a body. One that breaks the schema is a Broken in the list, which Batch sorts out.
Items = Annotated[
    list[Annotated[T, WrapValidator(_or_broken)]], Field(min_length=1, max_length=MAX_ITEMS)
]


class BulkQuery(RequestModel):
    atomic: bool = Field(
        True,
        description="`true`: all or none; `false`: what can be done is, and 207 tells of each",
    )


Bulk = Annotated[BulkQuery, Query()]

# -- out -------------------------------------------------------------------------------------------


class ItemDone(ResponseModel):
    """201 created, 200 changed, 204 removed."""

    status: Literal[200, 201, 204]
    id: UUID
    version: int | MISSING = MISSING


class ItemFailed(ResponseModel):
    """The error of one item; pointers are into the whole request."""

    status: int
    code: str
    detail: str
    errors: list[ProblemError]


class ItemsRead(ResponseModel):
    """The result of each item, in the order of the request."""

    items: Sequence[ItemDone | ItemFailed]


class ItemsDone(ResponseModel):
    """The result of each item, where all were successful."""

    items: Sequence[ItemDone]


def bulk_problems(*refusals: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a bulk endpoint."""
    results = {"model": ItemsRead, "description": "`atomic=false`: a status for each item"}
    return {207: results, **problems(SomeItemsRefused, *refusals)}


def no_content(**_items: object) -> Response:
    """Return 204, for an atomic request without a result."""
    return Response(status_code=204)


# -- between ---------------------------------------------------------------------------------------


class BulkItems(Generic[T]):
    """The items of one request by their places; ``pending`` are the items that have not failed.

    Raises:
        Refused: all or none are wanted, and some break the schema.
    """

    def __init__(self, items: Sequence[T], query: BulkQuery) -> None:
        self._atomic, self._places = query.atomic, range(len(items))
        self.pending = dict(enumerate(items))
        self._failed: dict[int, ServiceError] = {}
        for place, item in enumerate(items):
            if isinstance(item, InvalidItem):
                self.fail(place, item.refusal)
        self._require_all()

    def fail(self, place: int, refusal: ServiceError) -> None:
        """Fail an item; pointers of the error are into the item."""
        self.pending.pop(place, None)
        self._failed[place] = refusal

    def fail_at(self, place: int, kind: type[ServiceError], pointer: str) -> None:
        """Fail an item because of its value at ``pointer``."""
        refusal = kind()
        refusal.errors = [FieldError(pointer=pointer, code=refusal.code, detail=refusal.message)]
        self.fail(place, refusal)

    def fail_duplicates(self, of: Callable[[T], Hashable], pointer: str) -> None:
        """Fail every item with the same key as an earlier one."""
        keys = set[Hashable]()
        for place, item in list(self.pending.items()):
            if of(item) in keys:
                self.fail_at(place, DuplicateItem, pointer)
            keys.add(of(item))

    def check_each(self, check: Callable[[T], R]) -> dict[int, R]:
        """Return the result of ``check`` for each item; fail the items for which it raises."""
        found = {}
        for place, item in list(self.pending.items()):
            try:
                found[place] = check(item)
            except ServiceError as refusal:
                self.fail(place, refusal)
        return found

    def answer(
        self,
        done: Mapping[int, Versioned | ItemDone],
        whole: Callable[..., R],
        status: Literal[200, 201] = 200,
    ) -> R | Response:
        """``whole(items=…)`` of what was done, or 207 with a status for each.

        Raises:
            ServiceError: all or none are wanted, and some failed. It is of the one kind they
                have in common, or :class:`SomeItemsRefused`.
        """
        self._require_all()
        if self._atomic:
            return whole(items=[done[place] for place in self._places])
        results = [
            self._result(place) if place in self._failed else _outcome(done[place], status)
            for place in self._places
        ]
        body = ItemsRead(items=results).model_dump_json()
        return Response(body, 207, media_type="application/json")

    def _require_all(self) -> None:
        if not (self._atomic and self._failed):
            return
        places = sorted(self._failed)
        errors = [error for place in places for error in self._errors(place)]
        kinds = {type(refusal) for refusal in self._failed.values()}
        refusal = self._failed[places[0]] if len(kinds) == 1 else SomeItemsRefused()
        refusal.message = SomeItemsRefused.detail
        refusal.errors, refusal.max_errors = errors, MAX_ITEMS
        raise refusal

    def _result(self, place: int) -> ItemFailed:
        refusal = self._failed[place]
        errors = [ProblemError(**error) for error in self._errors(place)[:MAX_ERRORS]]
        return ItemFailed(
            status=refusal.status, code=refusal.code, detail=refusal.message, errors=errors
        )

    def _errors(self, place: int) -> Sequence[FieldError]:
        """Return the errors of an item, with pointers into the request."""
        refusal = self._failed[place]
        itself = FieldError(pointer="", code=refusal.code, detail=refusal.message)
        return [
            FieldError(
                pointer=f"/items/{place}{error['pointer']}",
                code=error["code"],
                detail=error["detail"],
            )
            for error in refusal.errors or [itself]
        ]


def _outcome(done: Any, status: Literal[200, 201]) -> ItemDone:
    if isinstance(done, ItemDone):
        return done
    return ItemDone(status=status, id=done.id, version=done.version)
