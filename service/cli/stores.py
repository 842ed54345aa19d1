"""The stores a command works on: configured, running on the data folder, or started for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import SecretStr

from service.cli.output import CommandFailed, print_progress
from service.settings import Settings
from service.stores.embedded import StoreUrls, embedded_stores, running_stores
from service.stores.mongo.client import database_name

StoreName = Literal["database_url", "mongodb_url"]


class StoreUrlMissing(CommandFailed):
    """A URL is not set that this command needs."""


def configured_stores(settings: Settings) -> StoreUrls | None:
    """Return the stores of the settings; None if neither is set.

    Raises:
        StoreUrlMissing: only one URL is set.
        BadMongoUrl: MongoDB's driver would refuse its URL.
    """
    sql, mongo = settings.database_url, settings.mongodb_url
    if sql is None and mongo is None:
        return None
    if sql is None or mongo is None:
        missing = "DATABASE_URL" if sql is None else "MONGODB_URL"
        raise StoreUrlMissing(
            f"{missing} is not set. Set both URLs to use your own servers. Unset both, and "
            "polystore starts PostgreSQL and MongoDB itself."
        )
    urls = StoreUrls(sql.get_secret_value(), mongo.get_secret_value())
    database_name(urls.mongodb_url, settings)
    return urls


@contextmanager
def open_stores(settings: Settings) -> Iterator[StoreUrls]:
    """Yield the URLs of both stores; start engines if none are configured or running."""
    urls = configured_stores(settings) or running_stores(settings.data_dir)
    if urls is not None:
        yield urls
        return
    print_progress("starting PostgreSQL and MongoDB for this command")
    with embedded_stores(settings.data_dir, on_progress=print_progress) as urls:
        yield urls


@contextmanager
def open_store(settings: Settings, name: StoreName) -> Iterator[str]:
    """Yield the URL of one store; the other need not be configured."""
    url: SecretStr | None = getattr(settings, name)
    if url is not None:
        yield url.get_secret_value()
        return
    with open_stores(settings) as urls:
        yield getattr(urls, name)


@contextmanager
def open_schema(settings: Settings) -> Iterator[str]:
    """Yield the URL for migrations.

    Raises:
        StoreUrlMissing: DATABASE_URL is PgBouncer's, and no other is known.
    """
    url = direct_url(settings)
    if url is not None:
        yield url
        return
    with open_store(settings, "database_url") as url:
        yield url


def direct_url(settings: Settings) -> str | None:
    """Return MIGRATION_DATABASE_URL; None if it is unset and DATABASE_URL can be used.

    Migrations need a session, which PgBouncer in transaction mode does not give.

    Raises:
        StoreUrlMissing: DATABASE_URL is PgBouncer's, and no other is known.
    """
    if settings.migration_database_url is not None:
        return settings.migration_database_url.get_secret_value()
    if settings.sql_pgbouncer:
        raise StoreUrlMissing(
            "Migrations cannot go through PgBouncer. Set MIGRATION_DATABASE_URL to the URL of "
            "PostgreSQL itself."
        )
    return None


def with_urls(settings: Settings, urls: StoreUrls) -> Settings:
    """Return a copy of the settings with these URLs."""
    return settings.model_copy(
        update={
            "database_url": SecretStr(urls.database_url),
            "mongodb_url": SecretStr(urls.mongodb_url),
        }
    )
