"""Databases from before the rule for slugs, as copies of one template."""

from collections.abc import Callable

import pytest

from service.stores.embedded import StoreUrls
from tests.fixtures.stores import new_database
from tests.sql_migrations.old_posts import copy_database, insert_old_posts, new_old_database

OldPosts = Callable[[str, int], str]


@pytest.fixture(scope="session")
def old_posts(engines: StoreUrls, worker_name: str) -> OldPosts:
    """Return a function that creates a database by name with a number of old posts."""
    template = new_old_database(engines.database_url, f"{worker_name}_before")

    def create(name: str, count: int) -> str:
        url = copy_database(template, f"{worker_name}_{name}")
        insert_old_posts(url, count)
        return url

    return create


@pytest.fixture
def empty_database(engines: StoreUrls, worker_name: str) -> str:
    return new_database(engines.database_url, f"{worker_name}_empty")
