"""The settings: each field with its variable, default, limits and description."""

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
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from service.settings.database_url import parse_database_url
from service.settings.signing_secrets import (
    check_secret,
    generated_secret,
    read_secrets,
    split_secrets,
)
from service.settings.variables import merge, read_env_file

LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
]
Seconds = Annotated[float, Field(gt=0)]
Rate = Annotated[str, Field(pattern=r"^[1-9][0-9]*/[1-9]?[0-9]*(second|minute|hour|day)s?$")]


def _named(name: str, *others: str) -> AliasChoices:
    """Return the variables of a setting: those that platforms use, and the POLYSTORE_ one."""
    return AliasChoices(*others, f"POLYSTORE_{name.upper()}", name)


class Settings(BaseSettings):
    """Everything that can be configured; each field is an environment variable POLYSTORE_<NAME>.

    The URLs, ``HOST`` and ``PORT`` also have their usual names, such as ``DATABASE_URL``. The
    table of docs/operations.md holds the same descriptions.

    Raises:
        BadVariable: ``.env`` or a file that a variable names cannot be read.
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
        description="PostgreSQL; unset, with MONGODB_URL unset too: `serve` starts both engines",
    )
    mongodb_url: SecretStr | None = Field(
        None,
        validation_alias=_named("mongodb_url", "MONGODB_URL"),
        description="MongoDB; must be a replica set, one node suffices",
    )
    reporting_database_url: SecretStr | None = Field(
        None,
        validation_alias=_named("reporting_database_url", "REPORTING_DATABASE_URL"),
        description="read replica for reports; unset: reports read from the primary",
    )
    migration_database_url: SecretStr | None = Field(
        None,
        validation_alias=_named("migration_database_url", "MIGRATION_DATABASE_URL"),
        description="PostgreSQL without PgBouncer, for `migrate`; unset: DATABASE_URL",
    )
    mongodb_database: str | None = Field(None, description="unset: the URL's, else `polystore`")
    data_dir: Path = Field(
        Path(".polystore"), description="folder of the embedded engines and the generated secret"
    )
    secret: SecretStr | None = Field(
        None,
        description="signs tokens and cursors, at least 32 random characters; "
        "unset: generated in the data folder",
    )
    secret_file: Path | None = Field(
        None, description="file with one secret per line; the first signs, all verify"
    )
    previous_secrets: SecretStr | None = Field(
        None, description="former values of `SECRET`, comma-separated; they still verify"
    )
    host: str = Field(
        "127.0.0.1", validation_alias=_named("host", "HOST"), description="address to listen on"
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        validation_alias=_named("port", "PORT"),
        description="port to listen on; 0: any free port",
    )
    workers: int = Field(1, ge=1, le=256, description="processes that serve")
    drain_seconds: float = Field(2.0, ge=0, description="how long /readyz fails before the end")
    keep_alive_seconds: int = Field(75, ge=1, description="how long an idle connection stays open")
    log_level: LogLevel = Field("INFO", description="`INFO` logs one line per request")
    log_json: bool | None = Field(
        None, description="log JSON objects; unset: unless the output is a terminal"
    )

    token: SecretStr | None = Field(
        None, description="credential of `demo` and `load`; unset: the data folder's demo key"
    )
    registration: bool = Field(True, description="allow anyone to register a user")
    docs: bool = Field(True, description="serve /docs, /redoc and /openapi.json")
    cors_origins: str = Field("", description="allowed CORS origins, comma-separated; empty: none")
    trusted_proxies: str = Field(
        "", description="addresses whose X-Forwarded-For is trusted, comma-separated"
    )
    token_issuer: str = Field("polystore", description="`iss` of access tokens")
    token_audience: str = Field("polystore", description="`aud` of access tokens")
    access_token_seconds: int = Field(900, gt=0, le=86_400, description="access token lifetime")
    refresh_token_days: int = Field(30, gt=0, le=365, description="login lifetime")
    rate_caller: Rate = Field("120000/minute", description="requests per caller")
    rate_address: Rate = Field("1200/minute", description="requests per address, unauthenticated")
    rate_login: Rate = Field("60/minute", description="logins and registrations per address")
    rate_guess: Rate = Field("10/minute", description="wrong passwords per address and user")

    max_body_bytes: int = Field(1_048_576, gt=0, description="size of a request body")
    max_event_bytes: int = Field(1_048_576, gt=0, le=4_194_304, description="size of an event")
    max_batch_bytes: int = Field(5_242_880, gt=0, description="size of a decompressed batch")
    max_in_flight_bytes: int = Field(
        33_554_432, gt=0, description="size of events received and not yet written; above it: 429"
    )
    max_artifact_bytes: int = Field(
        5_368_709_120, gt=0, description="size of one file of a run or logged model"
    )
    retention_days: int | None = Field(
        None, ge=1, le=3650, description="retention of predictions without a rule; unset: forever"
    )
    body_seconds: Seconds = Field(
        5.0, description="maximum time between two chunks of a body; the whole body has 60 s"
    )

    sql_deadline_seconds: Seconds = Field(1.8, description="PostgreSQL: deadline of a request")
    sql_pgbouncer: bool = Field(False, description="connect through PgBouncer in transaction mode")
    sql_pool_size: int = Field(10, gt=0, description="connections kept open")
    sql_max_overflow: int = Field(10, ge=0, description="additional connections under load")
    sql_pool_seconds: Seconds = Field(0.5, description="maximum wait for a pooled connection")
    sql_pool_recycle_seconds: Seconds = Field(1800.0, description="maximum age of a connection")
    sql_pool_pre_ping: bool = Field(True, description="test connections unused for 1 s")
    sql_connect_seconds: Seconds = Field(1.0, description="maximum wait for a new connection")
    sql_statement_seconds: Seconds = Field(1.5, description="`statement_timeout` of the server")
    sql_lock_seconds: Seconds = Field(0.5, description="`lock_timeout` of the server")
    sql_idle_in_transaction_seconds: Seconds = Field(
        5.0, description="`idle_in_transaction_session_timeout` of the server"
    )
    sql_command_seconds: Seconds = Field(
        5.0, description="the driver's limit for a statement; closes the connection"
    )
    sql_echo: bool = Field(
        False, description="log SQL statements at level INFO, without their values"
    )

    mongo_deadline_seconds: Seconds = Field(1.8, description="MongoDB: deadline of a request")
    mongo_max_pool_size: int = Field(32, gt=0, description="connections, and concurrent requests")
    mongo_place_seconds: Seconds = Field(0.5, description="maximum wait for a free connection")
    mongo_connect_seconds: Seconds = Field(1.0, description="maximum wait for a new connection")
    mongo_heartbeat_seconds: float = Field(1.0, ge=0.5, description="interval of server checks")
    mongo_operation_seconds: Seconds = Field(
        1.5, description="maximum duration of an operation, server selection included"
    )

    tails: int = Field(16, gt=0, description="maximum tails at once, each with its own connection")
    tail_heartbeat_seconds: Seconds = Field(15.0, description="interval of comments in quiet tails")
    background_jobs: bool = Field(True, description="take part in background work")

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(env_settings, EnvSettingsSource)  # noqa: S101 - for mypy
        env_settings.env_vars = merge(settings_cls, env_settings.env_vars, read_env_file())
        return init_settings, env_settings

    @field_validator("database_url", "reporting_database_url", "migration_database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parse_database_url(url.get_secret_value())
        return url

    @field_validator("mongodb_url")
    @classmethod
    def _check_scheme(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(
            ("mongodb://", "mongodb+srv://")
        ):
            raise ValueError("must look like mongodb://user:password@host:27017/name")
        return url

    @model_validator(mode="after")
    def _check_secrets(self) -> Self:
        """Refuse weak secrets; with embedded engines, which listen on loopback only, blank ones."""
        secrets = split_secrets(self.previous_secrets)
        if self.secret is not None:
            secrets.append(self.secret.get_secret_value())
        has_servers = self.database_url is not None or self.mongodb_url is not None
        for secret in secrets:
            if has_servers or not secret.strip():
                check_secret(secret)
        return self

    def address(self, port: int) -> str:
        """Return the URL of the service for clients on this machine."""
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"

    def signing_secrets(self) -> list[bytes]:
        """Return the secrets; the first signs, all verify.

        They come from the settings, from a file, or from the data folder.

        Raises:
            BadSecret: a file has no secret, or a weak one.
        """
        previous = split_secrets(self.previous_secrets)
        if self.secret is not None:
            current = [self.secret.get_secret_value()]
        else:
            current = read_secrets(self.secret_file or generated_secret(self.data_dir))
        return [secret.encode() for secret in (*current, *previous)]
