"""Every table there is, so that Alembic sees one metadata. A new tables.py gets a line here."""

from sqlalchemy import MetaData

from service import idempotency
from service.posts import tables as posts
from service.sql import Base
from service.tags import tables as tags
from service.users import tables as users

OWNERS = (idempotency, posts, tags, users)
METADATA: MetaData = Base.metadata
