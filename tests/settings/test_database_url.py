"""URLs of PostgreSQL as managed services hand them out, and those that cannot be used."""

import ssl
from pathlib import Path

import pytest
from asyncpg import connect_utils

from service.settings.database_url import parse_database_url, with_database, without_password

# The forms in which managed services hand out URLs; hosts and names are invented.
HANDED_OUT = {
    "heroku": "postgres://u:p@ec2.example:5432/d",
    "neon": "postgresql://u:p@ep-a.example/d?sslmode=require&channel_binding=prefer",
    "digitalocean": "postgresql://doadmin:p@db.example:25060/defaultdb?sslmode=require",
    "supabase": "postgresql://postgres.ref:p@pooler.example:6543/postgres",
    "azure": "postgres://user%40server:p@s.example:5432/postgres?sslmode=require",
    "aiven": "postgres://avnadmin:p@a.example:20985/defaultdb?sslmode=require&connect_timeout=10",
    "fly": "postgres://u:p@top2.internal:5432/d?sslmode=disable",
    "cloud sql": "postgresql://u:p@/d?host=/cloudsql/project:region:instance",
    "several hosts": "postgresql://u:p@a:5432,b:5433/d?target_session_attrs=read-write",
    "sqlalchemy": "postgresql+asyncpg://u:p@h/d?ssl=require",
    "psycopg": "postgresql+psycopg://u:p@h/d?application_name=shop&options=-csearch_path%3Dx",
    "libpq": "postgresql://h/d?user=u&password=p&gssencmode=disable&keepalives=1&sslsni=1",
}


@pytest.mark.parametrize("url", HANDED_OUT.values(), ids=HANDED_OUT.keys())
def test_parse_database_url_handed_out_form_is_read_by_asyncpg(url: str) -> None:
    for dsn in parse_database_url(url).dsns:
        _, parameters = connect_utils._parse_connect_dsn_and_args(  # type: ignore[attr-defined]
            dsn=dsn, host=None, port=None, user=None, password=None, passfile=None, database=None,
            ssl=None, service=None, servicefile=None, direct_tls=None, server_settings=None,
            target_session_attrs=None, krbsrvname=None, gsslib=None,
        )  # fmt: skip
        assert parameters.password == "p"
        assert set(parameters.server_settings or {}) <= {"application_name", "options"}


def test_parse_database_url_several_hosts_are_tried_one_by_one() -> None:
    url = "postgresql://u:p@a:1,[::1]:2/d?target_session_attrs=primary"
    assert parse_database_url(url).dsns == (
        "postgresql://u:p@a:1/d?target_session_attrs=primary",
        "postgresql://u:p@[::1]:2/d?target_session_attrs=primary",
    )


def test_parse_database_url_prefer_standby_takes_any_host_last() -> None:
    dsns = parse_database_url("postgresql://a,b/d?target_session_attrs=prefer-standby").dsns
    assert [dsn.rpartition("=")[2] for dsn in dsns] == ["standby", "standby", "any", "any"]


@pytest.mark.parametrize(("timeout", "seconds"), [("7", 7.0), ("0", None)])
def test_parse_database_url_connect_timeout_is_taken(timeout: str, seconds: float | None) -> None:
    parsed = parse_database_url(f"postgresql://h/d?connect_timeout={timeout}")
    assert parsed.connect_seconds == seconds
    assert "connect_timeout" not in parsed.dsns[0]


def test_parse_database_url_system_certificates_verify_the_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").touch()
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile=str(tmp_path / "ca.pem"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    (dsn,) = parse_database_url("postgresql://h/d?sslrootcert=system").dsns
    assert "sslmode=verify-full" in dsn
    assert "ca.pem" in dsn


@pytest.mark.parametrize(
    ("parameter", "remedy"),
    [
        ("channel_binding=require", "sslmode=verify-full"),
        ("gssencmode=require", "sslmode=require"),
        ("hostaddr=10.0.0.1", "as the host"),
        ("load_balance_hosts=random", "in their order"),
        ("require_auth=scram-sha-256", "remove it"),
        ("pgbouncer=true", "POLYSTORE_SQL_PGBOUNCER"),
        ("schema=public", "search_path"),
        ("client_encoding=latin1", "UTF-8"),
        ("sslmode=on", "verify-full"),
        ("target_session_attrs=master", "read-write"),
        ("sslrootcert=/nowhere/sesame.pem", "does not exist"),
        ("connect_timeout=soon", "number of seconds"),
        ("application_name", "name=value"),
    ],
)
def test_parse_database_url_what_asyncpg_lacks_is_refused(parameter: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as error:
        parse_database_url(f"postgresql://u:sesame@h/d?{parameter}")
    assert "sesame" not in str(error.value)


PASSWORDS = [
    "se@same", "se/same", "se?sa=me", "se#same", "se[same", "se]same", "se%same", "se same",
    "se@same/x?y", "s%zz", "se\tsame", "ses@@me",
]  # fmt: skip


@pytest.mark.parametrize("password", PASSWORDS)
def test_database_url_unescaped_password_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ValueError, match="escaped") as error:
        parse_database_url(f"postgresql://u:{password}@h:5432/d")
    assert not any(part in str(error.value) for part in ("ses", "same", "zz"))


@pytest.mark.parametrize("url", ["mysql://u:p@h/d", "h:5432", "", "postgresql:/h/d"])
def test_parse_database_url_other_scheme_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must look like postgresql://"):
        parse_database_url(url)


@pytest.mark.parametrize("hosts", ["h:x", "h:0", "h:70000", "a:1,b:y", "[::1]:z"])
def test_parse_database_url_bad_port_is_refused(hosts: str) -> None:
    with pytest.raises(ValueError, match="port"):
        parse_database_url(f"postgresql://u:p@{hosts}/d")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:sesame@a:1,b:2/d?password=sesame", "postgresql://u@a:1,b:2/d"),
        ("mongodb://u:ses#ame@h/d", "mongodb://u@h/d"),
        ("mongodb://u:ses[ame]@h:1/d?x=1", "mongodb://u@h:1/d"),
        ("mongodb://h/d", "mongodb://h/d"),
    ],
)
def test_without_password_keeps_user_and_hosts(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://h:1/d?host=/cloudsql/p:r", ["postgresql://%2Fcloudsql%2Fp%3Ar:1/d?"]),
        ("postgresql://h/d?host=a,b&port=1,2", ["postgresql://a:1/d?", "postgresql://b:2/d?"]),
        ("postgresql://a,[::1]:7/d?port=9", ["postgresql://a:9/d?", "postgresql://[::1]:9/d?"]),
        ("postgresql://u:p@h/d?user=v&password=q%40&dbname=e", ["postgresql://v:q%40@h/e?"]),
        ("POSTGRES:///d", ["postgresql:///d?"]),
    ],
)
def test_parse_database_url_parameters_precede_what_stands_before(
    url: str, expected: list[str]
) -> None:
    """As in libpq, https://www.postgresql.org/docs/current/libpq-connect.html."""
    assert list(parse_database_url(url).dsns) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@a:1,b:2/d?sslmode=require", "postgres://u:p@a:1,b:2/x?sslmode=require"),
        ("postgresql://h?dbname=d", "postgresql://h/x"),
    ],
)
def test_with_database_keeps_server_and_parameters(url: str, expected: str) -> None:
    assert with_database(url, "x") == expected


@pytest.mark.parametrize(
    ("ssl_value", "mode"),
    [("true", "require"), ("false", "disable"), ("verify-full", "verify-full")],
)
def test_parse_database_url_ssl_is_an_sslmode(ssl_value: str, mode: str) -> None:
    """A URL that asked SQLAlchemy to verify the server still asks for it."""
    assert (
        parse_database_url(f"postgresql://h/d?ssl={ssl_value}").dsns[0].endswith(f"sslmode={mode}")
    )
    with pytest.raises(ValueError, match="unknown sslmode"):
        parse_database_url("postgresql://h/d?ssl=maybe")
