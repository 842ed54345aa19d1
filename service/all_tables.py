"""Every table there is, so that Alembic sees one metadata. A new tables.py gets a line here."""

from sqlalchemy import MetaData

from service import idempotency
from service.accounts import tables as accounts
from service.api_keys import tables as api_keys
from service.audit import tables as audit
from service.catalog import tables as catalog
from service.logins import tables as logins
from service.orders import tables as orders
from service.posts import tables as posts
from service.projects import tables as projects
from service.sql import Base
from service.tags import tables as tags
from service.users import tables as users

OWNERS = (
    accounts, api_keys, audit, catalog, idempotency, logins, orders, posts, projects, tags, users
)  # fmt: skip
METADATA: MetaData = Base.metadata
