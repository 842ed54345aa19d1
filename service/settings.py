"""The only place that reads the environment. No instance is made at import."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
]
Seconds = Annotated[float, Field(gt=0)]


def _named(name: str, *others: str) -> AliasChoices:
    """Names a setting answers to: the one platforms give it, and the POLYSTORE_ one."""
    return AliasChoices(*others, f"POLYSTORE_{name.upper()}", name)


class Settings(BaseSettings):
    """Everything that can be configured; each field is an environment variable POLYSTORE_<NAME>.

    Five also answer to the name they have elsewhere: ``DATABASE_URL``, ``REPORTING_DATABASE_URL``,
    ``MONGODB_URL``, ``HOST`` and ``PORT``. The descriptions are the table in the README.
    """

    model_config = SettingsConfigDict(
        env_prefix="POLYSTORE_",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias=_named("database_url", "DATABASE_URL"),
        description="PostgreSQL; without it and MONGODB_URL, `serve` starts engines of its own",
    )
    mongodb_url: SecretStr | None = Field(
        None,
        validation_alias=_named("mongodb_url", "MONGODB_URL"),
        description="MongoDB, a replica set, be it of one node",
    )
    reporting_database_url: SecretStr | None = Field(
        None,
        validation_alias=_named("reporting_database_url", "REPORTING_DATABASE_URL"),
        description="a read replica for reports; else they read from the primary",
    )
    mongodb_database: str | None = Field(None, description="else the URL's, else `polystore`")
    data_dir: Path = Field(Path(".polystore"), description="data of the engines, and the secret")
    secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="signs cursors; else one is made, in the data folder",
    )
    host: str = Field(
        "127.0.0.1", validation_alias=_named("host", "HOST"), description="where to listen"
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=_named("port", "PORT"),
        description="0 is any free one",
    )
    log_level: LogLevel = Field("INFO", description="`INFO` has a line for each request")
    log_json: bool | None = Field(
        None, description="a JSON object a line; unset: unless it goes to a terminal"
    )

    max_body_bytes: int = Field(1_048_576, gt=0, description="of a request's body")
    max_batch_bytes: int = Field(5_242_880, gt=0, description="of a prediction batch, unpacked")
    body_seconds: Seconds = Field(5.0, description="patience between two pieces of a body")

    sql_deadline_seconds: Seconds = Field(1.8, description="PostgreSQL: when a client is answered")
    sql_pool_size: int = Field(10, gt=0, description="connections that stay open")
    sql_max_overflow: int = Field(10, ge=0, description="more of them under load")
    sql_pool_seconds: Seconds = Field(0.5, description="longest wait for a connection")
    sql_pool_recycle_seconds: Seconds = Field(1800.0, description="oldest connection to be used")
    sql_pool_pre_ping: bool = Field(True, description="asks a connection before it is used")
    sql_connect_seconds: Seconds = Field(1.0, description="longest wait for a new connection")
    sql_statement_seconds: Seconds = Field(1.5, description="the server's limit for a statement")
    sql_lock_seconds: Seconds = Field(0.5, description="the server's limit for a lock")
    sql_idle_in_transaction_seconds: Seconds = Field(5.0, description="the server's, in between")
    sql_command_seconds: Seconds = Field(5.0, description="the driver's; ends the connection")

    mongo_deadline_seconds: Seconds = Field(1.8, description="MongoDB: when a client is answered")
    mongo_max_pool_size: int = Field(32, gt=0, description="connections, and requests at once")
    mongo_place_seconds: Seconds = Field(0.5, description="longest wait for one of them")
    mongo_connect_seconds: Seconds = Field(1.0, description="longest wait for a new connection")
    mongo_heartbeat_seconds: Annotated[float, Field(ge=0.5)] = Field(
        1.0, description="how often the servers are looked at"
    )
    mongo_operation_seconds: Seconds = Field(
        1.5, description="longest operation, finding a primary included"
    )

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

    @field_validator("mongodb_url", mode="after")
    @classmethod
    def _is_mongodb(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(
            ("mongodb://", "mongodb+srv://")
        ):
            raise ValueError("must look like mongodb://user:password@host:27017/name")
        return url

    def address(self, port: int) -> str:
        """Where clients on this machine find the service."""
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

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
