"""The base of repositories on PostgreSQL: get or raise, list, change with If-Match, remove."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    SQLColumnExpression,
    delete,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningDelete, ReturningUpdate

from service.auth.caller import Forbidden, NotYours
from service.core.errors import Collision, NotFound, PreconditionFailed
from service.stores.sql.base import VersionedTable
from service.stores.sql.context import SqlService
from service.stores.sql.lists.listing import SqlListing
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import ResponseModel

R = TypeVar("R", bound=ResponseModel)
RowStatement = Select[UUID] | ReturningUpdate[UUID] | ReturningDelete[UUID]
ANY: ColumnElement[bool] = true()
MAX_TRIES = 3


class SqlRepository(SqlService, Generic[R]):
    """One table, the schema that its rows are read into, and the error where there is no row.

    A feature defines in ``visible`` what the caller may see, and in ``own`` what they may change of
    it. Lists, single reads and changes share both.
    """

    table: ClassVar[type[VersionedTable]]
    schema: type[R]
    missing: ClassVar[type[NotFound]]
    not_own: ClassVar[type[Forbidden]] = NotYours
    listing: SqlListing

    def visible(self) -> ColumnElement[bool]:
        """Return the condition of the rows that the caller may see."""
        return ANY

    def own(self) -> ColumnElement[bool]:
        """Return the condition of the visible rows that the caller may change."""
        return ANY

    def parameters(self) -> dict[str, Any]:
        """Return the values of the parameters in the listing's ``where`` and ``source``."""
        return {}

    def owned_by_caller(
        self, column: SQLColumnExpression[Any], *, unless: str
    ) -> ColumnElement[bool]:
        """Return the condition of the caller's own rows; of all rows with the scope ``unless``."""
        return ANY if self._caller.has_scope(unless) else column == self._caller.user_id

    def read(self, row: Any) -> R:
        """Return a row as it is answered."""
        return self.schema.model_validate(row)

    async def get(self, key: UUID) -> R:
        """Return the row of this id; raise ``missing`` if the caller sees none."""
        return await self._get(self._is(key))

    async def list(self, query: ListQuery) -> Page[R]:
        """Return a page of what the caller sees."""
        return await self._page(query, self.visible())

    async def remove(self, key: UUID, expected: Expected) -> None:
        """Delete the row if its version is as expected; raises as ``_change`` does."""
        await self._remove(self._is(key), expected)

    async def _get(self, where: ColumnElement[bool]) -> R:
        statement = self.listing.select().where(where, self.visible())
        result = await self._session.execute(statement, self.parameters())
        row = self.listing.rows(result).one_or_none()
        if row is None:
            raise self.missing
        return self.read(row)

    async def _page(self, query: ListQuery, *conditions: ColumnElement[bool]) -> Page[R]:
        return await self.listing.page(
            self._session, query, self._paginator, self.read, *conditions, **self.parameters()
        )

    async def _insert(self, values: Mapping[str, Any]) -> R:
        statement = insert(self.table).values(**values).returning(*self.listing.columns)
        return self.read((await self._session.execute(statement)).one())

    async def _change(
        self, where: ColumnElement[bool], values: Mapping[str, Any], expected: Expected
    ) -> None:
        """Change the row and count its version, if that is as expected.

        Without values nothing is changed and no version counted, but who may change it is checked,
        and the row stays as it is until the transaction ends.

        Raises:
            NotFound: no such row that the caller sees, as the kind ``missing``.
            Forbidden: the caller sees it and may not change it, as the kind ``not_own``.
            PreconditionFailed: its version is none of ``expected``.
            Collision: others removed and restored it each time.
        """
        change: RowStatement = select(self.table.id).with_for_update(read=True)
        if values:
            values = {**values, "version": self.table.version + 1}
            change = update(self.table).values(**values).returning(self.table.id)
        await self._execute(change, where, expected)

    async def _remove(self, where: ColumnElement[bool], expected: Expected) -> None:
        await self._execute(delete(self.table).returning(self.table.id), where, expected)

    async def _execute(
        self, change: RowStatement, where: ColumnElement[bool], expected: Expected
    ) -> None:
        """Execute the change of a row; again, if it only just became one that it may change."""
        for _ in range(MAX_TRIES):
            statement = change.where(where, *self._changeable(expected))
            if await self._session.scalar(statement) is not None:
                return
            await self._require_own(where)
            if expected is not None:
                raise PreconditionFailed
        raise Collision

    def _is(self, key: UUID) -> ColumnElement[bool]:
        return self.table.id == key

    def _changeable(self, expected: Expected) -> Sequence[ColumnElement[bool]]:
        is_expected = ANY if expected is None else self.table.version.in_(expected)
        return self.visible(), self.own(), is_expected

    async def _require_own(self, where: ColumnElement[bool]) -> None:
        statement = select(self.own()).select_from(self.table).where(where, self.visible())
        is_own = await self._session.scalar(statement)
        if is_own is None:
            raise self.missing
        if not is_own:
            raise self.not_own
