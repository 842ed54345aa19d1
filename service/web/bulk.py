"""Bulk requests: up to 1,000 items, all or none; with ``atomic=false`` every item that is valid.

Both ways run the same few statements for all items. A use case fails items of its
:class:`BulkItems` and changes the pending ones; the response has a status per item. In an atomic
request the failed items become one error, and the transaction rolls back. Items are validated and
written in slices, because a thousand of them would hold the event loop for 50 ms.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, islice, repeat, starmap
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args
from uuid import UUID

from fastapi import Query, Response
from pydantic import MISSING, Field, TypeAdapter, ValidationError, ValidationInfo, WrapValidator
from pydantic.fields import FieldInfo
from pydantic_core import to_json

from service.core.cooperative import run_cooperatively
from service.core.errors import MAX_ERRORS, Conflict, FieldError, Refused, ServiceError, field_error
from service.web.bodies.strict_json import InvalidItem
from service.web.openapi import ProblemError, problems
from service.web.problems import invalid_value
from service.web.schemas import MAX_ITEMS, RequestModel, ResponseModel, Versioned

T = TypeVar("T")
R = TypeVar("R")
Status = Literal[200, 201, 204]
MOST_SHOWN = 100  # errors: more never fit into the 4 KB of a response


class SomeItemsInvalid(Conflict):
    code, title = "items_refused", "Some items are not valid"
    detail = "Correct the items that errors names; nothing was changed."


class DuplicateItem(Refused):
    code, title = "repeated", "Item is a duplicate of an earlier one"
    detail = "Send each object once."


# -- in --------------------------------------------------------------------------------------------


def _or_invalid(value: Any, validate: Callable[[Any], Any], info: ValidationInfo) -> Any:
    if isinstance(value, InvalidItem):
        return value
    try:
        return validate(value)
    except ValidationError as error:
        return InvalidItem(invalid_value(error, "body", info.context))  # the item's type


EACH_APART = "each apart"
# An item that does not fit the schema is an InvalidItem in the list; BulkItems fails it.
Items = Annotated[
    list[Annotated[T, WrapValidator(_or_invalid)]],
    Field(min_length=1, max_length=MAX_ITEMS),
    EACH_APART,
]
ItemReaders = Mapping[str, Callable[[Any], Any]]


def items_apart(body: FieldInfo | None) -> ItemReaders:
    """Return what validates an item of each field of a body that is declared as ``Items``."""
    fields: dict[str, FieldInfo] = getattr(body and body.annotation, "model_fields", {})
    return {
        name: partial(TypeAdapter(kind).validate_python, context=kind)
        for name, field in fields.items()
        if EACH_APART in field.metadata
        for kind in get_args(field.annotation)[:1]
    }


async def validate_items(body: Any, apart: ItemReaders) -> None:
    """Replace the items in a body by what they are validated to; FastAPI takes that as it is."""
    for name, validate in apart.items() if isinstance(body, dict) else ():
        items = body.get(name)
        if isinstance(items, list):
            valid = map(validate, items[:MAX_ITEMS])
            items[:MAX_ITEMS] = await run_cooperatively(valid)


class BulkQuery(RequestModel):
    atomic: bool = Field(
        True,
        description="`true`: all items or none; `false`: every valid item, with a 207 that has a "
        "status per item",
    )


Bulk = Annotated[BulkQuery, Query()]

# -- out -------------------------------------------------------------------------------------------


class ItemDone(ResponseModel):
    """201 created, 200 changed, 204 removed."""

    status: Status
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


def bulk_problems(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses=`` of a bulk endpoint."""
    results = {"model": ItemsRead, "description": "`atomic=false`: a status for each item"}
    return {207: results, **problems(SomeItemsInvalid, *errors)}


# -- between ---------------------------------------------------------------------------------------


class BulkItems(Generic[T]):
    """The items of one request by their places; ``pending`` are the items that have not failed.

    Raises:
        Refused: the request is atomic, and an item does not fit the schema.
    """

    def __init__(self, items: Sequence[T], query: BulkQuery) -> None:
        self._atomic, self._places = query.atomic, range(len(items))
        self.pending = dict(enumerate(items))
        self._failed: dict[int, ServiceError] = {}
        for place, item in enumerate(items):
            if isinstance(item, InvalidItem):
                self.fail(place, item.error)
        self._require_all()

    def fail(self, place: int, error: ServiceError) -> None:
        """Fail an item; pointers of the error are into the item."""
        self.pending.pop(place, None)
        self._failed[place] = error

    def fail_at(self, place: int, kind: type[ServiceError], pointer: str) -> None:
        """Fail an item because of its value at ``pointer``."""
        error = kind()
        error.errors = [field_error(pointer=pointer, code=error.code, detail=error.message)]
        self.fail(place, error)

    def fail_duplicates(self, of: Callable[[T], Hashable], pointer: str) -> None:
        """Fail every item with the same key as an earlier one."""
        keys = set[Hashable]()
        for place, item in list(self.pending.items()):
            if of(item) in keys:
                self.fail_at(place, DuplicateItem, pointer)
            keys.add(of(item))

    async def for_each(self, call: Callable[[T], R]) -> dict[int, R]:
        """Return the result of ``call`` for each pending item; fail those for which it raises."""
        results = {}

        def call_for(place: int, item: T) -> None:
            try:
                results[place] = call(item)
            except ServiceError as error:
                self.fail(place, error)

        await run_cooperatively(starmap(call_for, list(self.pending.items())))
        return results

    async def answer(
        self,
        done: Mapping[int, Versioned | ItemDone],
        status: Status = 200,
        *,
        created: Collection[int] = (),
        each_once: bool = False,
    ) -> Response:
        """Return what was done, by place; if the request is not atomic, a 207 with each status.

        ``created`` are places with 201; ``each_once`` leaves out what an atomic request repeats.

        Raises:
            ServiceError: the request is atomic, and an item failed; of the class that all errors
                have in common, or :class:`SomeItemsInvalid`.
        """
        self._require_all()
        if not self._atomic:
            statuses = (201 if place in created else status for place in self._places)
            return await _json(map(self._result, self._places, repeat(done), statuses), 207)
        if status == 204:
            return Response(status_code=204)
        results = [done[place] for place in self._places]
        if each_once:
            results = list({id(result): result for result in results}.values())
        return await _json(results, status)

    def _require_all(self) -> None:
        if not (self._atomic and self._failed):
            return
        places = sorted(self._failed)
        kinds = {type(error) for error in self._failed.values()}
        error = self._failed[places[0]] if len(kinds) == 1 else SomeItemsInvalid()
        count = sum(len(self._failed[place].errors) or 1 for place in places)
        shown = list(islice(chain.from_iterable(map(self._errors, places)), MOST_SHOWN))
        error.message = SomeItemsInvalid.detail
        error.errors, error.errors_left_off = shown, count - len(shown)
        raise error

    def _result(self, place: int, done: Mapping[int, Any], status: Status) -> ItemDone | ItemFailed:
        error = self._failed.get(place)
        if error is None:
            item = done[place]
            if isinstance(item, ItemDone):
                return item
            return ItemDone(status=status, id=item.id, version=item.version)
        errors = [ProblemError(**item_error) for item_error in self._errors(place)[:MAX_ERRORS]]
        return ItemFailed(status=error.status, code=error.code, detail=error.message, errors=errors)

    def _errors(self, place: int) -> Sequence[FieldError]:
        """Return the errors of an item, with pointers into the request."""
        error = self._failed[place]
        itself = field_error(pointer="", code=error.code, detail=error.message)
        return [
            field_error(
                pointer=f"/items/{place}{item_error['pointer']}",
                code=item_error["code"],
                detail=item_error["detail"],
            )
            for item_error in error.errors or [itself]
        ]


async def _json(items: Iterable[ResponseModel], status: int) -> Response:
    texts = b",".join(await run_cooperatively(map(to_json, items)))
    return Response(b'{"items":[%b]}' % texts, status, media_type="application/json")
