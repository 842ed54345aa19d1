"""Routes of accounts and their entries."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.accounts.repository import (
    AccountNotEmpty,
    AccountNotFound,
    Accounts,
    OwnerUnknown,
)
from service.relational.accounts.schemas import (
    AccountCreate,
    AccountQuery,
    AccountRead,
    AccountUpdate,
    EntryQuery,
    EntryRead,
)
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/accounts", tags=["accounts"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("accounts:write")],
    responses=problems(OwnerUnknown),
)
async def accounts_create(account: AccountCreate, accounts: Accounts, reply: Reply) -> AccountRead:
    """Open an account with a balance of zero."""
    made = await accounts.add(account)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("accounts:read")], responses=problems())
async def accounts_list(
    query: Annotated[AccountQuery, Query()], accounts: Accounts
) -> Page[AccountRead]:
    """List your accounts."""
    return await accounts.list(query)


@router.get(
    "/{account_id}",
    dependencies=[needs("accounts:read")],
    responses=problems(AccountNotFound, cached=True),
)
async def accounts_get(account_id: UUID, accounts: Accounts, reply: Reply) -> AccountRead:
    """Return one account with its balance."""
    return reply.ok(await accounts.get(account_id))


@router.patch(
    "/{account_id}",
    dependencies=[needs("accounts:write")],
    responses=problems(AccountNotFound, if_match=True),
)
async def accounts_update(
    account_id: UUID, change: AccountUpdate, accounts: Accounts, expected: IfMatch, reply: Reply
) -> AccountRead:
    """Rename an account."""
    return reply.updated(await accounts.change(account_id, change, expected))


@router.delete(
    "/{account_id}",
    status_code=204,
    dependencies=[needs("accounts:write")],
    responses=problems(AccountNotFound, AccountNotEmpty, if_match=True),
)
async def accounts_close(account_id: UUID, accounts: Accounts, expected: IfMatch) -> None:
    """Close an empty account. It can still be read, with its entries; no transfer uses it."""
    await accounts.close(account_id, expected)


@router.get(
    "/{account_id}/entries",
    dependencies=[needs("accounts:read")],
    responses=problems(AccountNotFound),
)
async def entries_list(
    account_id: UUID, query: Annotated[EntryQuery, Query()], accounts: Accounts
) -> Page[EntryRead]:
    """List what each transfer did to the account; its balance is the sum of them."""
    return await accounts.list_entries(account_id, query)
