"""Bulk changes of products: all, none, or each by itself, in a few statements."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from service.core.errors import PreconditionFailed, ServiceError
from service.relational.catalog.categories import lock_categories
from service.relational.catalog.repository import (
    CategoryUnknown,
    ProductNotFound,
    SkuTaken,
    is_deleted,
)
from service.relational.catalog.schemas import ProductCreate, ProductPatch, ProductRead
from service.relational.catalog.tables import Product
from service.relational.catalog.upsert import (
    COLUMNS,
    LOWER_SKU,
    insert_products,
    lock_skus_exclusive,
    lock_skus_shared,
    new_row,
    update_products,
    upsert_products,
)
from service.stores.sql.bulk import any_of, read_rows
from service.stores.sql.context import SqlService
from service.stores.sql.errors import translate_sql_error
from service.web.bulk import BulkItems, ItemDone
from service.web.schemas import changes

_FIELDS = tuple(ProductCreate.model_fields)
_MAX_ATTEMPTS = 3


class ProductBulk(SqlService):
    """The scopes decide who may change products; `upsert` explains the order of locks."""

    async def add_all(self, batch: BulkItems[ProductCreate]) -> Mapping[int, ProductRead]:
        await lock_skus_shared(self._session)
        await self._lock_categories(batch)
        if not batch.pending:
            return {}
        rows = await batch.for_each(new_row)
        inserted = await insert_products(self._session, list(rows.values()), self._caller.user_id)
        created = await read_rows(ProductRead, inserted)
        for place in [place for place, row in rows.items() if row["id"] not in created]:
            batch.fail(place, SkuTaken())
        return {place: created[rows[place]["id"]] for place in batch.pending}

    async def put_all(self, batch: BulkItems[ProductCreate]) -> Mapping[int, ItemDone]:
        """Create products (201) or change stored ones (200), deleted or not."""
        batch.fail_duplicates(lambda item: item.sku.lower(), "/sku")
        await lock_skus_shared(self._session)
        await self._lock_categories(batch)
        items = await batch.for_each(ProductCreate.model_dump)
        results = await upsert_products(self._session, list(items.values()), self._caller.user_id)
        done = {}
        for place, item in list(batch.pending.items()):
            result = results[item.sku.lower()]
            if isinstance(result, ServiceError):
                batch.fail(place, result)
            else:
                status = 201 if result.outcome == "created" else 200
                done[place] = ItemDone(status=status, id=result.id, version=result.version)
        return done

    async def change_all(self, batch: BulkItems[ProductPatch]) -> Mapping[int, ProductRead]:
        """Change each product once; a sku is taken if any product had it before the request."""
        batch.fail_duplicates(lambda item: item.id, "/id")
        renames = any("sku" in item.model_fields_set for item in batch.pending.values())
        if renames:
            await lock_skus_exclusive(self._session)
        await self._lock_categories(batch)
        locked = await self._lock({place: item.id for place, item in batch.pending.items()})
        _fail_unchangeable(batch, locked)
        changed = await (self._rename(batch, locked) if renames else self._update(batch, locked))
        return {place: changed[item.id] for place, item in batch.pending.items()}

    async def remove_all(self, batch: BulkItems[UUID]) -> Mapping[int, ItemDone]:
        """Mark products as deleted."""
        locked = await self._lock(batch.pending)
        for place in [place for place, key in batch.pending.items() if key not in locked]:
            batch.fail(place, ProductNotFound())
        statement = (
            update(Product)
            .where(any_of(Product.id, locked))
            .values(deleted_at=func.now(), version=Product.version + 1)
            .returning(Product.id, Product.version)
        )
        versions = {row.id: row.version for row in await self._session.execute(statement)}
        return {
            place: ItemDone(status=204, id=key, version=versions[key])
            for place, key in batch.pending.items()
        }

    async def _lock_categories(self, batch: BulkItems[Any]) -> None:
        """Lock the categories that items name; fail the items whose category does not exist."""
        named = {
            place: item.category_id
            for place, item in batch.pending.items()
            if "category_id" in item.model_fields_set and item.category_id is not None
        }
        known = await lock_categories(self._session, named.values())
        for place in [place for place, category_id in named.items() if category_id not in known]:
            batch.fail(place, CategoryUnknown())

    async def _lock(self, ids: Mapping[int, UUID]) -> dict[UUID, Any]:
        locked = select(*COLUMNS).where(any_of(Product.id, set(ids.values())), is_deleted(False))
        locked = locked.order_by(Product.id).with_for_update(key_share=True)
        return {row.id: row for row in await self._session.execute(locked)}

    async def _update(
        self, batch: BulkItems[ProductPatch], locked: Mapping[UUID, Any]
    ) -> dict[UUID, ProductRead]:
        """Change products in one statement; a field that an item omits keeps its locked value.

        An item that changes no field leaves its product and the version as they are.
        """

        def new_values(item: ProductPatch) -> dict[str, Any]:
            values = locked[item.id]._asdict() | changes(item)
            return {name: values[name] for name in ("id", *_FIELDS)}

        kept = {
            item.id: locked[item.id]
            for item in batch.pending.values()
            if item.model_fields_set.isdisjoint(_FIELDS)
        }
        values = (await batch.for_each(new_values)).values()
        rows = [row for row in values if row["id"] not in kept]
        stocks = {key: row.stock for key, row in locked.items()}
        changed = await update_products(self._session, rows, stocks, self._caller.user_id)
        return await read_rows(ProductRead, [*kept.values(), *changed])

    async def _rename(
        self, batch: BulkItems[ProductPatch], locked: Mapping[UUID, Any]
    ) -> dict[UUID, ProductRead]:
        """Change products as :meth:`_update`; repeat if another request took a sku meanwhile."""
        for _ in range(_MAX_ATTEMPTS):
            await self._fail_taken(batch)
            try:
                async with self._session.begin_nested():
                    return await self._update(batch, locked)
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
        taken = select(LOWER_SKU.label("sku"), Product.id).where(any_of(LOWER_SKU, wanted.values()))
        owners = {row.sku: row.id for row in await self._session.execute(taken)}
        for place, sku in wanted.items():
            key = batch.pending[place].id
            if owners.setdefault(sku, key) != key:  # the first item that wants a sku gets it
                batch.fail(place, SkuTaken())


def _fail_unchangeable(batch: BulkItems[ProductPatch], locked: Mapping[UUID, Any]) -> None:
    """Fail the items whose product does not exist or has another version."""
    for place, item in list(batch.pending.items()):
        if item.id not in locked:
            batch.fail_at(place, ProductNotFound, "/id")
        elif "version" in item.model_fields_set and item.version != locked[item.id].version:
            batch.fail_at(place, PreconditionFailed, "/version")


ProductBulkDep = Annotated[ProductBulk, Depends(ProductBulk.from_request)]
