"""All tables, so that Alembic sees one metadata. A new tables.py gets a line here."""

from sqlalchemy import MetaData

from service.relational.accounts import tables as accounts
from service.relational.api_keys import tables as api_keys
from service.relational.audit import tables as audit
from service.relational.catalog import tables as catalog
from service.relational.experiments import tables as experiments
from service.relational.logged_models import tables as logged_models
from service.relational.logins import tables as logins
from service.relational.model_registry import tables as model_registry
from service.relational.orders import tables as orders
from service.relational.posts import tables as posts
from service.relational.projects import tables as projects
from service.relational.runs import input_tables as run_inputs
from service.relational.runs import tables as runs
from service.relational.tags import tables as tags
from service.relational.users import tables as users
from service.stores.sql import idempotency, processes
from service.stores.sql.base import Base

OWNERS = (
    accounts, api_keys, audit, catalog, experiments, idempotency, logged_models, logins,
    model_registry, orders, posts, processes, projects, run_inputs, runs, tags, users
)  # fmt: skip
METADATA: MetaData = Base.metadata
