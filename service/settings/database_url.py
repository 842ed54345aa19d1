"""URLs of PostgreSQL: what platforms hand out, checked, and translated for the driver.

No message repeats a value, because a badly escaped password can appear anywhere in a URL.
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

POSTGRESQL_EXAMPLE = "must look like postgresql://user:password@host:5432/name"
_UNESCAPED = (
    "has a character that must be escaped in user name and password: write @ as %40, : as %3A, "
    "/ as %2F, ? as %3F, # as %23, [ as %5B, ] as %5D, % as %25 and a blank as %20"
)
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# Parameters of libpq that asyncpg lacks, with the values that ask for nothing it lacks. None: any
# value, because the parameter only tunes the connection.
_WITHOUT_EFFECT: Mapping[str, tuple[str, ...] | None] = {
    "channel_binding": ("prefer", "disable"),
    "gssencmode": ("prefer", "disable"),
    "load_balance_hosts": ("disable",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "client_encoding": ("auto", "utf8", "utf-8", "unicode"),
    **dict.fromkeys(("keepalives", "keepalives_idle", "keepalives_interval"), None),
    **dict.fromkeys(("keepalives_count", "tcp_user_timeout"), None),
}
_UNAVAILABLE = {
    "channel_binding": "use sslmode=verify-full, which also detects a server in between",
    "gssencmode": "use sslmode=require",
    "hostaddr": "write the address as the host",
    "load_balance_hosts": "the hosts are tried in their order",
    "client_encoding": "text is always UTF-8",
    "schema": "use options=-csearch_path%3Dname",
    "pgbouncer": "set POLYSTORE_SQL_PGBOUNCER=true",
}
_OF_OTHERS = (
    "require_auth", "requirepeer", "require_peer", "replication", "scram_client_key",
    "scram_server_key", "min_protocol_version", "max_protocol_version", "sslkeylogfile",
    "connection_limit", "pool_timeout", "pool_size", "sslaccept", "statement_cache_size",
    "prepared_statement_cache_size", "command_timeout",
)  # fmt: skip


class DatabaseUrl(NamedTuple):
    """URLs for asyncpg, to be tried in this order, and the ``connect_timeout`` of each in seconds.

    asyncpg would try several hosts within one limit, so that a host that hangs takes all of it.
    """

    dsns: tuple[str, ...]
    connect_seconds: float | None


class BadDatabaseUrl(ValueError):
    """The URL cannot be used; the message has what to write instead, and no value of the URL."""


def parse_database_url(url: str) -> DatabaseUrl:
    """Return a URL of libpq's form translated for asyncpg, which lacks some of the parameters.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS lists them. A
    parameter that neither knows is a setting of the server, such as ``search_path``.

    Raises:
        BadDatabaseUrl: asyncpg cannot do what the URL asks for, or a character is not escaped.
    """
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    if scheme.lower().partition("+")[0] not in ("postgres", "postgresql") or not separator:
        raise BadDatabaseUrl(POSTGRESQL_EXAMPLE)
    _check_escapes(rest)
    try:
        parts = urlsplit(f"postgresql://{rest}")
    except ValueError:  # its text quotes the user and the password
        raise BadDatabaseUrl(POSTGRESQL_EXAMPLE) from None
    try:
        parameters = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise BadDatabaseUrl("has a parameter without a value; write name=value") from None
    seconds = _seconds(parameters.pop("connect_timeout", None))
    user, hosts = _user(parts.netloc, parameters), _hosts(parts.netloc, parameters)
    path = _path(parts.path, parameters)
    dsns = tuple(
        f"postgresql://{user}{host}{path}?{urlencode(query)}"
        for query in _passes(_translated(parameters))
        for host in hosts
    )
    return DatabaseUrl(dsns, seconds)


def _user(netloc: str, parameters: dict[str, str]) -> str:
    """Return ``user:password@``; as in libpq, parameters precede what stands before the host."""
    user, colon, password = netloc.rpartition("@")[0].partition(":")
    if "user" in parameters:
        user = quote(parameters.pop("user"), safe="")
    if "password" in parameters:
        colon, password = ":", quote(parameters.pop("password"), safe="")
    return f"{user}{colon}{password}@" if user or password else ""


def _hosts(netloc: str, parameters: dict[str, str]) -> list[str]:
    """Return each host with its port, from the parameters ``host`` and ``port`` if there are."""
    pairs = [_split_port(host) for host in netloc.rpartition("@")[2].split(",")]
    names, ports = [name for name, _ in pairs], [port for _, port in pairs]
    if "host" in parameters:
        names = [_quoted_host(host) for host in parameters.pop("host").split(",")]
    if "port" in parameters:
        ports = parameters.pop("port").split(",")
    if len(ports) not in (1, len(names)):
        raise BadDatabaseUrl("has another number of ports than of hosts")
    if not all(port == "" or (port.isdecimal() and 0 < int(port) < 65536) for port in ports):
        raise BadDatabaseUrl(f"has a port that is no number up to 65535; {POSTGRESQL_EXAMPLE}")
    ports = [f":{port}" if port else "" for port in ports]
    return [f"{name}{ports[place % len(ports)]}" for place, name in enumerate(names)]


def _split_port(host: str) -> tuple[str, str]:
    name, bracket, rest = host.rpartition("]")  # of an IPv6 address
    end, _, port = rest.partition(":")
    return f"{name}{bracket}{end}", port


def _quoted_host(host: str) -> str:
    is_ipv6 = ":" in host and not host.startswith("/")
    return f"[{host}]" if is_ipv6 else quote(host, safe="")


def _path(path: str, parameters: dict[str, str]) -> str:
    for name in ("dbname", "database"):
        if name in parameters:
            path = f"/{quote(parameters.pop(name), safe='')}"
    return path


def _check_escapes(rest: str) -> None:
    """Check what follows ``://``.

    Raises:
        BadDatabaseUrl: the password may reach beyond its place, so nothing of the URL can be shown.
    """
    user = rest.partition("@")[0] if "@" in rest else ""
    if (
        rest.count("@") > 1
        or any(character in user for character in "/?[]")
        or any(character == "#" or character.isspace() for character in rest)
        or not rest.isprintable()
        or re.search("%(?![0-9A-Fa-f]{2})", rest)
    ):
        raise BadDatabaseUrl(_UNESCAPED)


def without_password(url: str) -> str:
    """Return a URL of either store without its password and query.

    A password may have characters that ``urlsplit`` takes for the end of the host.
    """
    scheme, _, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    name = user.partition(":")[0]
    return f"{scheme}://{name}{'@' if name else ''}{place.partition('?')[0]}"


def with_database(url: str, name: str) -> str:
    """Return a URL of PostgreSQL with another database on the same server."""
    scheme, _, rest = url.strip().partition("://")
    parts = urlsplit(f"postgresql://{rest}")
    parameters = [item for item in parse_qsl(parts.query) if item[0] not in ("dbname", "database")]
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{scheme}://{parts.netloc}/{name}{query}"


def _translated(parameters: dict[str, str]) -> dict[str, str]:
    mode = parameters.pop("ssl", None)  # of JDBC, and of SQLAlchemy, where it is an sslmode
    if mode is not None:
        parameters.setdefault("sslmode", {"true": "require", "false": "disable"}.get(mode, mode))
    fallback = parameters.pop("fallback_application_name", None)
    if fallback is not None:
        parameters.setdefault("application_name", fallback)
    if parameters.get("sslrootcert") == "system":  # means the system's certificates, as in libpq
        parameters["sslrootcert"] = ssl.get_default_verify_paths().openssl_cafile
        parameters.setdefault("sslmode", "verify-full")
    kept = {name: value for name, value in parameters.items() if not _is_dropped(name, value)}
    _check_values(kept)
    return kept


def _passes(parameters: dict[str, str]) -> list[dict[str, str]]:
    """Return the parameters of each pass over the hosts: prefer-standby takes two."""
    if parameters.get("target_session_attrs") != "prefer-standby":
        return [parameters]
    return [{**parameters, "target_session_attrs": role} for role in ("standby", "any")]


def _is_dropped(name: str, value: str) -> bool:
    """Return whether asyncpg lacks the parameter and the value asks for nothing."""
    if name in _WITHOUT_EFFECT:
        allowed = _WITHOUT_EFFECT[name]
        if allowed is None or value.lower() in allowed:
            return True
    elif name not in _OF_OTHERS and name not in _UNAVAILABLE:
        return False
    remedy = _UNAVAILABLE.get(name)
    raise BadDatabaseUrl(
        f"asks for {name}, which the driver cannot do; remove it" + (f" ({remedy})" * bool(remedy))
    )


def _check_values(parameters: Mapping[str, str]) -> None:
    for name, choices in (("sslmode", _SSL_MODES), ("target_session_attrs", _SESSION_ATTRIBUTES)):
        if name in parameters and parameters[name] not in choices:
            raise BadDatabaseUrl(f"has an unknown {name}; choose one of {', '.join(choices)}")
    for name in _FILES:
        if name in parameters and not Path(parameters[name]).is_file():
            raise BadDatabaseUrl(f"names a file as {name} that does not exist")


def _seconds(timeout: str | None) -> float | None:
    """Return ``connect_timeout``; None for 0, which is no limit in libpq."""
    if timeout is None:
        return None
    if not re.fullmatch("[0-9]{1,6}", timeout):
        raise BadDatabaseUrl("has a connect_timeout that is no number of seconds")
    return float(timeout) or None
