"""The only place that reads the environment. No instance is made at import."""

import os
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]


def _named(name: str, *others: str) -> AliasChoices:
    """Names a setting answers to: the one deployments already use, and the POLYSTORE_ one."""
    return AliasChoices(*others, f"POLYSTORE_{name.upper()}", name)


class Settings(BaseSettings):
    """Everything that can be configured; each field is an environment variable POLYSTORE_<NAME>.

    Five variables also answer to the name the field's platforms give them: ``DATABASE_URL``,
    ``REPORTING_DATABASE_URL``, ``MONGODB_URL``, ``HOST`` and ``PORT``.
    """

    model_config = SettingsConfigDict(env_prefix="POLYSTORE_", extra="ignore", frozen=True)

    # Where the stores are. With neither set, `polystore serve` starts its own.
    database_url: SecretStr | None = Field(
        None, validation_alias=_named("database_url", "DATABASE_URL")
    )
    reporting_database_url: SecretStr | None = Field(
        None, validation_alias=_named("reporting_database_url", "REPORTING_DATABASE_URL")
    )
    mongodb_url: SecretStr | None = Field(
        None, validation_alias=_named("mongodb_url", "MONGODB_URL")
    )
    mongodb_database: str | None = Field(None, description="else the URL's, else polystore")
    data_dir: Path = Path(".polystore")
    secret: SecretStr | None = Field(None, description="signs cursors; kept in data_dir if unset")

    # Where we listen, and how we log.
    host: str = Field("127.0.0.1", validation_alias=_named("host", "HOST"))
    port: int = Field(8000, ge=0, le=65535, validation_alias=_named("port", "PORT"))
    log_level: str = "INFO"
    log_json: bool | None = Field(
        None, description="one JSON object a line; false for people; unset asks the terminal"
    )

    # What a request may bring.
    max_body_bytes: int = Field(1_048_576, gt=0)
    max_batch_bytes: int = Field(5_242_880, gt=0, description="prediction batches, unpacked")
    body_seconds: Seconds = Field(5.0, description="patience between two pieces of a body")

    # PostgreSQL. Waits in seconds; `deadline` is when the client is answered, come what may.
    sql_pool_size: int = Field(10, gt=0)
    sql_max_overflow: int = Field(10, ge=0)
    sql_pool_seconds: Seconds = 0.5
    sql_pool_recycle_seconds: Seconds = 1800.0
    sql_pool_pre_ping: bool = True
    sql_connect_seconds: Seconds = 1.0
    sql_command_seconds: Seconds = Field(5.0, description="asyncpg's own, kills the connection")
    sql_statement_seconds: Seconds = 1.5
    sql_lock_seconds: Seconds = 0.5
    sql_idle_in_transaction_seconds: Seconds = 5.0
    sql_deadline_seconds: Seconds = 1.8

    # MongoDB, likewise.
    mongo_max_pool_size: int = Field(32, gt=0)
    mongo_place_seconds: Seconds = 0.5
    mongo_connect_seconds: Seconds = 1.0
    mongo_server_selection_seconds: Seconds = 1.0
    mongo_heartbeat_seconds: Annotated[float, Field(ge=0.5)] = 1.0
    mongo_wait_queue_seconds: Seconds = 0.5
    mongo_operation_seconds: Seconds = 1.5
    mongo_deadline_seconds: Seconds = 1.8

    @field_validator("database_url", "reporting_database_url", mode="after")
    @classmethod
    def _name_the_driver(cls, url: SecretStr | None) -> SecretStr | None:
        """Platforms hand out postgres://; SQLAlchemy would take that for another driver."""
        if url is None:
            return None
        scheme, colon, rest = url.get_secret_value().partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+asyncpg"
        if scheme != "postgresql+asyncpg" or not colon:
            raise ValueError("must look like postgresql://user:password@host:5432/name")
        return SecretStr(f"{scheme}://{rest}")

    def signing_key(self) -> bytes:
        """``secret``, or else one that is made once and kept in the data folder."""
        if self.secret is not None:
            return self.secret.get_secret_value().encode()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = self.data_dir / "secret"
        fresh = self.data_dir / f"secret.{os.getpid()}"
        if not kept.exists():
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_hex(32))
            try:
                kept.hardlink_to(fresh)  # whoever is second finds the first one's
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return kept.read_bytes()
