"""Many products at once, all or none or each by itself, in a few statements."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentCaller
from service.core.errors import PreconditionFailed
from service.relational.catalog.categories import hold_categories
from service.relational.catalog.repository import (
    COLUMNS,
    CategoryUnknown,
    ProductNotFound,
    SkuTaken,
    is_deleted,
)
from service.relational.catalog.schemas import ProductCreate, ProductPatch, ProductRead
from service.relational.catalog.tables import Product
from service.relational.catalog.upsert import (
    LOWERED,
    note_stock,
    own_skus,
    put_products,
    share_skus,
    update_products,
)
from service.stores.sql.bulk import any_of, insert_missing
from service.stores.sql.engine import SqlSession
from service.stores.sql.errors import translate_sql_error
from service.web.bulk import BulkItems, ItemDone
from service.web.context import provided
from service.web.schemas import changes

_FIELDS = tuple(ProductCreate.model_fields)
_TIMES = 3


class ProductBulk:
    """Everybody's: who may change them, the scope says. `upsert` tells the order of locks."""

    def __init__(self, session: SqlSession, caller: CurrentCaller) -> None:
        self._session, self._user_id = session, caller.user_id

    async def add_all(self, batch: BulkItems[ProductCreate]) -> Mapping[int, ProductRead]:
        await share_skus(self._session)
        await self._hold_categories(batch)
        if not batch.pending:
            return {}
        rows = {
            place: {"id": uuid7(), **item.model_dump()} for place, item in batch.pending.items()
        }
        into = insert_missing(Product, list(rows.values()), ordered_by="sku").returning(*COLUMNS)
        made = {row.id: row for row in await self._session.execute(into)}
        for place in [place for place, row in rows.items() if row["id"] not in made]:
            batch.fail(place, SkuTaken())
        moved = {row.id: (0, row.stock) for row in made.values()}
        await note_stock(self._session, moved, "initial", self._user_id)
        return {place: _read(made[rows[place]["id"]]) for place in batch.pending}

    async def put_all(self, batch: BulkItems[ProductCreate]) -> Mapping[int, ItemDone]:
        """201 for those that were made, 200 for those that were there, deleted or not."""
        batch.fail_duplicates(lambda item: item.sku.lower(), "/sku")
        await share_skus(self._session)
        await self._hold_categories(batch)
        put = await put_products(self._session, list(batch.pending.values()), self._user_id)
        by_place = {place: put[item.sku.lower()] for place, item in batch.pending.items()}
        return {
            place: ItemDone(status=201 if each.made else 200, id=each.id, version=each.version)
            for place, each in by_place.items()
        }

    async def change_all(self, batch: BulkItems[ProductPatch]) -> Mapping[int, ProductRead]:
        """Each stands in it once. A sku is taken while any product has it before the request."""
        batch.fail_duplicates(lambda item: item.id, "/id")
        renames = any("sku" in item.model_fields_set for item in batch.pending.values())
        if renames:
            await own_skus(self._session)
        await self._hold_categories(batch)
        held = await self._hold({place: item.id for place, item in batch.pending.items()})
        _fail_unfit(batch, held)
        changed = await (self._rename(batch, held) if renames else self._update(batch, held))
        return {place: _read(changed[item.id]) for place, item in batch.pending.items()}

    async def remove_all(self, batch: BulkItems[UUID]) -> Mapping[int, ItemDone]:
        """Hides them; restore brings each back."""
        held = await self._hold(batch.pending)
        for place in [place for place, key in batch.pending.items() if key not in held]:
            batch.fail(place, ProductNotFound())
        statement = (
            update(Product)
            .where(any_of(Product.id, held))
            .values(deleted_at=func.now(), version=Product.version + 1)
            .returning(Product.id, Product.version)
            .execution_options(synchronize_session=False)
        )
        versions = {row.id: row.version for row in await self._session.execute(statement)}
        return {
            place: ItemDone(status=204, id=key, version=versions[key])
            for place, key in batch.pending.items()
        }

    async def _hold_categories(self, batch: BulkItems[Any]) -> None:
        """Those that items name; takes out who names one that is not there."""
        named = {
            place: item.category_id
            for place, item in batch.pending.items()
            if "category_id" in item.model_fields_set and item.category_id is not None
        }
        known = await hold_categories(self._session, named.values())
        for place in [place for place, category_id in named.items() if category_id not in known]:
            batch.fail(place, CategoryUnknown())

    async def _hold(self, ids: Mapping[int, UUID]) -> dict[UUID, Any]:
        held = select(*COLUMNS).where(any_of(Product.id, set(ids.values())), is_deleted(False))
        held = held.order_by(Product.id).with_for_update(key_share=True)
        return {row.id: row for row in await self._session.execute(held)}

    async def _update(
        self, batch: BulkItems[ProductPatch], held: Mapping[UUID, Any]
    ) -> dict[UUID, Any]:
        """The rows are held: what they are and what they become is one row of the statement."""
        rows = []
        for item in batch.pending.values():
            before, wanted = held[item.id]._mapping, changes(item)
            rows.append({name: wanted.get(name, before[name]) for name in ("id", *_FIELDS)})
        stocks = {key: row.stock for key, row in held.items()}
        changed = await update_products(self._session, rows, stocks, self._user_id)
        return {row.id: row for row in changed}

    async def _rename(
        self, batch: BulkItems[ProductPatch], held: Mapping[UUID, Any]
    ) -> dict[UUID, Any]:
        """As :meth:`_update`; looks again if a single product took one of the skus meanwhile."""
        for _ in range(_TIMES):
            await self._fail_taken(batch)
            try:
                async with self._session.begin_nested():
                    return await self._update(batch, held)
            except IntegrityError as error:
                if not isinstance(translate_sql_error(error), SkuTaken):
                    raise
        raise SkuTaken

    async def _fail_taken(self, batch: BulkItems[ProductPatch]) -> None:
        wanted = {
            place: item.sku.lower()
            for place, item in batch.pending.items()
            if isinstance(item.sku, str)
        }
        found = select(LOWERED.label("sku"), Product.id).where(any_of(LOWERED, wanted.values()))
        owners = {row.sku: row.id for row in await self._session.execute(found)}
        for place, sku in wanted.items():
            key = batch.pending[place].id
            if owners.setdefault(sku, key) != key:  # the first in the request to want it has it
                batch.fail(place, SkuTaken())


def _fail_unfit(batch: BulkItems[ProductPatch], held: Mapping[UUID, Any]) -> None:
    """Takes out what is not there, and what has changed since it was read."""
    for place, item in list(batch.pending.items()):
        if item.id not in held:
            batch.fail_at(place, ProductNotFound, "/id")
        elif "version" in item.model_fields_set and item.version != held[item.id].version:
            batch.fail_at(place, PreconditionFailed, "/version")


def _read(row: Any) -> ProductRead:
    return ProductRead.model_validate(row)


ProductsAtOnce = Annotated[ProductBulk, provided(ProductBulk)]
