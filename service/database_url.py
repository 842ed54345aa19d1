"""URLs of PostgreSQL: what platforms hand out, checked, and translated for the driver.

No message repeats a value, because a badly escaped password can appear anywhere in a URL.
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

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


def parse_database_url(url: str) -> DatabaseUrl:
    """Return a URL of libpq's form translated for asyncpg, which lacks some of the parameters.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS lists them. A
    parameter that neither knows is a setting of the server, such as ``search_path``.

    Raises:
        ValueError: asyncpg cannot do what the URL asks for, or a character is not escaped.
    """
    url = url.strip()
    scheme, separator, rest = url.partition("://")
    if scheme.partition("+")[0] not in ("postgres", "postgresql") or not separator:
        raise ValueError(POSTGRESQL_EXAMPLE)
    _check_escapes(rest)
    try:
        parts = urlsplit(f"postgresql://{rest}")
    except ValueError:  # its text quotes the user and the password
        raise ValueError(POSTGRESQL_EXAMPLE) from None
    _check_ports(parts.netloc.rpartition("@")[2])
    try:
        parameters = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError("has a parameter without a value; write name=value") from None
    seconds = _seconds(parameters.pop("connect_timeout", None))
    user, at, hosts = parts.netloc.rpartition("@")
    dsns = tuple(
        f"postgresql://{user}{at}{host}{parts.path}?{urlencode(query)}"
        for query in _passes(_translated(parameters))
        for host in hosts.split(",")
    )
    return DatabaseUrl(dsns, seconds)


def _check_escapes(rest: str) -> None:
    """Check what follows ``://``.

    Raises:
        ValueError: the password may reach beyond its place, so nothing of the URL can be shown.
    """
    user = rest.partition("@")[0] if "@" in rest else ""
    if (
        rest.count("@") > 1
        or any(character in user for character in "/?[]")
        or any(character == "#" or character.isspace() for character in rest)
        or not rest.isprintable()
        or re.search("%(?![0-9A-Fa-f]{2})", rest)
    ):
        raise ValueError(_UNESCAPED)


def without_password(url: str) -> str:
    """Return the URL without its password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{parts.path}"


def with_database(url: str, name: str) -> str:
    """Return a URL of PostgreSQL with another database on the same server."""
    scheme, _, rest = url.strip().partition("://")
    parts = urlsplit(f"postgresql://{rest}")
    parameters = [item for item in parse_qsl(parts.query) if item[0] not in ("dbname", "database")]
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"{scheme}://{parts.netloc}/{name}{query}"


def _check_ports(hosts: str) -> None:
    for host in hosts.split(","):
        port = re.sub(r"^\[[^\]]*\]|^[^:]*", "", host)
        if port and not (re.fullmatch(":[0-9]{1,5}", port) and 0 < int(port[1:]) < 65536):
            raise ValueError(f"has a port that is no number up to 65535; {POSTGRESQL_EXAMPLE}")


def _translated(parameters: dict[str, str]) -> dict[str, str]:
    if parameters.pop("ssl", None) in ("true", "1", "require"):  # of JDBC and SQLAlchemy
        parameters.setdefault("sslmode", "require")
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
    raise ValueError(
        f"asks for {name}, which the driver cannot do; remove it" + (f" ({remedy})" * bool(remedy))
    )


def _check_values(parameters: Mapping[str, str]) -> None:
    for name, choices in (("sslmode", _SSL_MODES), ("target_session_attrs", _SESSION_ATTRIBUTES)):
        if name in parameters and parameters[name] not in choices:
            raise ValueError(f"has an unknown {name}; choose one of {', '.join(choices)}")
    for name in _FILES:
        if name in parameters and not Path(parameters[name]).is_file():
            raise ValueError(f"names a file as {name} that does not exist")


def _seconds(timeout: str | None) -> float | None:
    """Return ``connect_timeout``; None for 0, which is no limit in libpq."""
    if timeout is None:
        return None
    if not re.fullmatch("[0-9]{1,6}", timeout):
        raise ValueError("has a connect_timeout that is no number of seconds")
    return float(timeout) or None
