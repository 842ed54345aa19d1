"""``email_key`` in PostgreSQL, and the migration that builds the indexes on it."""

import asyncio
import sys
import unicodedata

import pytest
from alembic import command

from service.settings import Settings
from service.stores.sql import migrations
from sql_migrations.email_keys import CREATE_EMAIL_KEY
from tests.fixtures.stores import connected
from tests.sql_migrations.rows import ADA, BEN, ONE, ROWS, TWO, execute, fetch

BEFORE, AFTER = "202611281000", "202611281100"
LABELS = (
    "münchen", "bücher-für-alle", "ü", "-ü", "a-ü-b", "faß", "пример", "ελλάδα", "例え",
    "日本語ドメイン", "안녕하세요세계", "الجزائر", "मरुभूमि", "𐌰𐌱", "правда" * 5,
)  # fmt: skip
NO_PUNYCODE = ("xn--", "xn--zzzzzzzzzzzzzzzzzzzzzzz", "xn--99999999", "xn--a_b", f"xn--{'9' * 240}")
OTHER_LOCALE = "TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%email%' ORDER BY 1"
FUNCTIONS = "SELECT FROM pg_proc WHERE proname = 'email_key'"


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def keys(url: str, *emails: str) -> list[str]:
    query = "SELECT email_key(email) FROM unnest($1::text[]) WITH ORDINALITY AS t (email, n)"
    return [row[0] for row in fetch(url, f"{query} ORDER BY n", emails)]


def test_key_of_every_character_has_no_case_and_no_form(url: str) -> None:
    changing = [
        character
        for character in map(chr, range(33, sys.maxunicode))
        if (character.lower(), unicodedata.normalize("NFKD", character)) != (character, character)
        and not unicodedata.name(character, "").startswith("HANGUL SYLLABLE")  # 11,172 of them
    ]
    emails = [f"a{character}b@{character}.de" for character in changing]
    assert len(emails) > 6_000
    expected = keys(url, *emails)
    for form in ("NFC", "NFD"):
        assert keys(url, *(unicodedata.normalize(form, email) for email in emails)) == expected
    assert keys(url, *(email.lower() for email in emails)) == expected
    assert keys(url, *expected) == expected


def test_key_of_punycode_is_that_of_unicode(url: str) -> None:
    coded = [f"A@xn--{label.encode('punycode').decode().upper()}.de" for label in LABELS]
    assert keys(url, *coded) == [f"a@{label}.de" for label in LABELS]
    kept = [f"a@{label}.de" for label in NO_PUNYCODE]
    assert keys(url, *kept) == kept


def test_key_depends_on_no_locale(url: str, worker_name: str) -> None:
    server, _, _ = url.rpartition("/")
    name = f"{worker_name}_locale"

    async def keys_elsewhere() -> list[str]:
        async with connected(url) as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
            await connection.execute(f'CREATE DATABASE "{name}" {OTHER_LOCALE}')
        async with connected(f"{server}/{name}") as connection:
            await connection.execute(CREATE_EMAIL_KEY)
            found = await connection.fetch("SELECT email_key(e) FROM unnest($1::text[]) e", emails)
        return [row[0] for row in found]

    emails = ["ÉMIL@x.de", "ΩMEGA@x.de", "İda@x.de", "a@MÜNCHEN.de", "a@XN--MNCHEN-3YA.de"]
    assert asyncio.run(keys_elsewhere()) == keys(url, *emails)


def test_key_of_two_mailboxes_differs(url: str) -> None:
    emails = [
        f"{name}@example.com"
        for name in ("ida", "\u0131da", "i\u0307da", "ídá", "\uff49da", "i.da")
    ]
    assert len(set(keys(url, *emails))) == len(emails)
    assert keys(url, "", "@", "no email", "a@b@C.de") == ["", "@", "no email", "a@b@c.de"]


def test_key_of_the_longest_email_is_bounded(url: str) -> None:
    for domain in ("\ufdfa" * 248, "xn--a." + "\ufdfa" * 240):
        assert [len(key) for key in keys(url, f"a@{domain}")] == [320]


def test_migration_lists_same_emails_and_changes_nothing(empty_database: str) -> None:
    invitations = ROWS["project_invitations"].replace("jean@example.com", "zoe@münchen.de")
    other = invitations.replace(ONE, TWO, 1).replace("münchen", "xn--mnchen-3ya")
    command.upgrade(migrations.alembic_config(empty_database), BEFORE)
    project = (ROWS["users"], ROWS["projects"], ROWS["project_members"])
    execute(empty_database, *project, invitations, other)
    users = "UPDATE users SET email = {email}, updated_at = updated_at WHERE id = '{id}'"
    execute(
        empty_database,
        users.format(email="U&'\\00E9mil@example.com'", id=ADA),
        users.format(email="U&'E\\0301MIL@example.com'", id=BEN),
    )
    before = fetch(empty_database, INDEXES)

    many = "SELECT gen_random_uuid(), {name} || n, {name} || n || '@example.com'"
    for name in ("U&'\\00E9'", "U&'e\\0301'"):
        rows = f"{many.format(name=name)} FROM generate_series(1, 20) AS n"
        execute(empty_database, f"INSERT INTO users (id, username, email) {rows}")
    lines = refused_upgrade(empty_database).splitlines()
    assert (len(lines), lines[-2]) == (23, "  and others")
    execute(empty_database, "DELETE FROM users WHERE email ~ '[0-9]@'")

    message = refused_upgrade(empty_database)
    assert f"{ADA} émil@example.com, {BEN} E\u0301MIL@example.com\n" in message
    assert "PATCH /v1/users/{id}" in message
    execute(empty_database, users.format(email="'emil2@example.com'", id=BEN))

    message = refused_upgrade(empty_database)
    assert f"{ONE} zoe@münchen.de, {TWO} zoe@xn--mnchen-3ya.de\n" in message
    assert "DELETE /v1/projects/{id}/invitations/{id}" in message
    assert (fetch(empty_database, INDEXES), fetch(empty_database, FUNCTIONS)) == (before, [])
    assert migrations.head_of(empty_database) == BEFORE

    execute(empty_database, f"DELETE FROM project_invitations WHERE id = '{TWO}'")
    # As if an earlier run had been killed between its statements.
    execute(empty_database, "CREATE INDEX uq_users_email_new ON users (id)")
    execute(empty_database, "CREATE INDEX uq_users_email_old ON users (id)")
    upgrade(empty_database)
    after = fetch(empty_database, INDEXES)
    assert [row["indexname"] for row in after] == [row["indexname"] for row in before]
    assert all("email_key(" in row["indexdef"] for row in after)
    assert fetch(empty_database, "SELECT FROM pg_index WHERE NOT indisvalid") == []
    command.downgrade(migrations.alembic_config(empty_database), BEFORE)
    assert (fetch(empty_database, INDEXES), fetch(empty_database, FUNCTIONS)) == (before, [])


def upgrade(url: str) -> None:
    """Upgrade to the migration alone, with the errors that operators get."""
    with migrations.translate_errors():
        command.upgrade(migrations.alembic_config(url, upgrading=True), AFTER)


def refused_upgrade(url: str) -> str:
    """Return the message of a migration that is refused."""
    with pytest.raises(migrations.MigrationRefused) as refusal:
        upgrade(url)
    return str(refusal.value)
