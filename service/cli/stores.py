"""Which stores a command works on: those it was told, those running here, or its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import SecretStr

from service.settings import Settings
from service.stores.embedded import EmbeddedError, StoreUrls, embedded_stores, running_stores

Tell = Callable[[str], None]
StoreName = Literal["database_url", "mongodb_url"]


class OneStoreMissing(EmbeddedError):
    """One URL is set and the other is not."""


def told_stores(settings: Settings) -> StoreUrls | None:
    """The stores of the settings; None if there are none.

    Raises:
        OneStoreMissing: a URL was forgotten.
    """
    sql, mongo = settings.database_url, settings.mongodb_url
    if sql is None and mongo is None:
        return None
    if sql is None or mongo is None:
        missing = "DATABASE_URL" if sql is None else "MONGODB_URL"
        raise OneStoreMissing(
            f"{missing} is not set. Set both URLs to use servers of yours, or neither to have "
            "polystore start PostgreSQL and MongoDB itself."
        )
    return StoreUrls(sql.get_secret_value(), mongo.get_secret_value())


@contextmanager
def stores_at_hand(settings: Settings, tell: Tell) -> Iterator[StoreUrls]:
    """The stores a command other than ``serve`` works on."""
    urls = told_stores(settings) or running_stores(settings.data_dir)
    if urls is not None:
        yield urls
        return
    tell("starting PostgreSQL and MongoDB for this command")
    with embedded_stores(settings.data_dir, on_progress=tell) as urls:
        yield urls


@contextmanager
def store_at_hand(settings: Settings, name: StoreName, tell: Tell) -> Iterator[str]:
    """The URL of the one store that a command works on; the other need not be there."""
    told: SecretStr | None = getattr(settings, name)
    if told is not None:
        yield told.get_secret_value()
        return
    with stores_at_hand(settings, tell) as urls:
        yield getattr(urls, name)


def with_stores(settings: Settings, urls: StoreUrls) -> Settings:
    """The settings, with these stores in them."""
    return settings.model_copy(
        update={
            "database_url": SecretStr(urls.database_url),
            "mongodb_url": SecretStr(urls.mongodb_url),
        }
    )
