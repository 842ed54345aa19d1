"""Routes of transfers."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.accounts.repository import Overdrawn
from service.relational.accounts.schemas import TransferCreate, TransferQuery, TransferRead
from service.relational.accounts.transfer import (
    AccountClosed,
    AccountUnknown,
    AlreadyReversed,
    CurrenciesDiffer,
    IsReversal,
    SameAccount,
    TransferServiceDep,
)
from service.relational.accounts.transfer_repository import TransferNotFound, Transfers
from service.stores.sql.route import SqlRoute
from service.web.conditional import Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/transfers", tags=["transfers"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("transfers:write")],
    responses=problems(AccountUnknown, AccountClosed, CurrenciesDiffer, Overdrawn, SameAccount),
)
async def transfers_create(
    transfer: TransferCreate, service: TransferServiceDep, reply: Reply
) -> TransferRead:
    """Move money. Send an Idempotency-Key, so that a retry never moves it twice."""
    made = await service.make(transfer)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("transfers:read")], responses=problems())
async def transfers_list(
    query: Annotated[TransferQuery, Query()], transfers: Transfers
) -> Page[TransferRead]:
    """List the transfers from and to your accounts."""
    return await transfers.list(query)


@router.get(
    "/{transfer_id}",
    dependencies=[needs("transfers:read")],
    responses=problems(TransferNotFound, cached=True),
)
async def transfers_get(transfer_id: UUID, transfers: Transfers, reply: Reply) -> TransferRead:
    """Return one transfer."""
    return reply.ok(await transfers.get(transfer_id))


@router.post(
    "/{transfer_id}/reverse",
    dependencies=[needs("transfers:write")],
    responses=problems(TransferNotFound, AlreadyReversed, IsReversal, AccountClosed, Overdrawn),
)
async def transfers_reverse(
    transfer_id: UUID, service: TransferServiceDep, reply: Reply
) -> TransferRead:
    """Send the money back, once, as a new transfer; for its receiver and administrators."""
    return reply.updated(await service.reverse(transfer_id))
