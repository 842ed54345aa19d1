"""The only place that reads the environment. No instance is made at import."""

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
]
Seconds = Annotated[float, Field(gt=0)]
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]*/[1-9]?[0-9]*(second|minute|hour|day)s?$")]
SHORTEST_SECRET, FEWEST_CHARACTERS = 32, 8


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
        description="signs tokens and cursors: 32 random characters or more; else one is made, "
        "in the data folder",
    )
    secret_file: Path | None = Field(
        None, description="the same from a file, one a line: the first signs, all of them verify"
    )
    previous_secrets: SecretStr | None = Field(
        None, description="what was `SECRET` before, by commas: still verifies"
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

    token: SecretStr | None = Field(
        None, description="what `polystore demo` sends; else the demo key of the data folder"
    )
    registration: bool = Field(True, description="whether newcomers may make themselves a user")
    docs: bool = Field(True, description="whether /docs and /openapi.json are there")
    cors_origins: str = Field("", description="origins of browsers' pages, by commas; none")
    trusted_proxies: str = Field(
        "", description="addresses whose X-Forwarded-For is believed, by commas; none"
    )
    token_issuer: str = Field("polystore", description="`iss` of access tokens")
    token_audience: str = Field("polystore", description="`aud` of access tokens")
    access_token_seconds: int = Field(900, gt=0, le=86_400, description="life of an access token")
    refresh_token_days: int = Field(30, gt=0, le=365, description="life of a login")
    rate_caller: Rate = Field("120000/minute", description="requests of one caller")
    rate_address: Rate = Field("1200/minute", description="of one address without credentials")
    rate_login: Rate = Field("60/minute", description="logins and registrations of one address")
    rate_guess: Rate = Field("10/minute", description="wrong passwords of one address for one user")

    max_body_bytes: int = Field(1_048_576, gt=0, description="of a request's body")
    max_batch_bytes: int = Field(5_242_880, gt=0, description="of a prediction batch, unpacked")
    max_in_flight_bytes: int = Field(
        33_554_432, gt=0, description="of events read and not yet written; beyond, 429"
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        le=3650,
        description="predictions are kept so long where no rule says otherwise; unset: for ever",
    )
    body_seconds: Seconds = Field(
        5.0, description="patience between two pieces of a body; all of it has a minute"
    )

    sql_deadline_seconds: Seconds = Field(1.8, description="PostgreSQL: when a client is answered")
    sql_pool_size: int = Field(10, gt=0, description="connections that stay open")
    sql_max_overflow: int = Field(10, ge=0, description="more of them under load")
    sql_pool_seconds: Seconds = Field(0.5, description="longest wait for a connection")
    sql_pool_recycle_seconds: Seconds = Field(1800.0, description="oldest connection to be used")
    sql_pool_pre_ping: bool = Field(True, description="asks a connection that rested for 1 s")
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

    tails: int = Field(16, gt=0, description="that follow the log at once, a connection each")
    tail_heartbeat_seconds: Seconds = Field(
        15.0, description="longest silence of a tail before a comment"
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

    @model_validator(mode="after")
    def _secrets_are_secret(self) -> Self:
        """With servers of one's own; on the embedded engines nobody else is near."""
        if self.database_url is not None or self.mongodb_url is not None:
            for secret in (self.secret, *_split(self.previous_secrets)):
                if secret is not None:
                    check_secret(secret.get_secret_value())
        return self

    def address(self, port: int) -> str:
        """Where clients on this machine find the service."""
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    def signing_secrets(self) -> list[bytes]:
        """The first signs, all of them verify: from settings, a file, or the data folder.

        Raises:
            BadSecret: a file holds none, or one that could be guessed.
        """
        before = [each.get_secret_value().encode() for each in _split(self.previous_secrets)]
        if self.secret is not None:
            return [self.secret.get_secret_value().encode(), *before]
        path = self.secret_file or self._made_secret()
        try:
            lines = path.read_text("utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise BadSecret(f"{path} cannot be read ({type(error).__name__}).") from error
        if not lines:
            raise BadSecret(f"{path} is empty. Put a secret into it: openssl rand -hex 32")
        for line in lines:
            check_secret(line)
        return [*(line.encode() for line in lines), *before]

    def _made_secret(self) -> Path:
        """One that is made once and kept in the data folder."""
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
        return kept


class BadSecret(ValueError):
    """It could be guessed."""


def check_secret(secret: str) -> None:
    """Refuses what is short or everybody's.

    Raises:
        BadSecret: with how to make one.
    """
    told = "Make one that nobody can guess: openssl rand -hex 32"
    if len(secret) < SHORTEST_SECRET:
        raise BadSecret(f"A secret has at least {SHORTEST_SECRET} characters. {told}")
    usual = ("secret", "change", "password", "default", "example", "polystore")
    if len(set(secret)) < FEWEST_CHARACTERS or secret.lower().startswith(usual):
        raise BadSecret(f"This secret is one that others have as well. {told}")


def _split(secrets_: SecretStr | None) -> list[SecretStr]:
    if secrets_ is None:
        return []
    return [SecretStr(each.strip()) for each in secrets_.get_secret_value().split(",")]
