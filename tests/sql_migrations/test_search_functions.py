# ruff: noqa: RUF001 - the letters of many scripts are meant
"""The normalisation of search in SQL: what it does, and that no locale changes it."""

import asyncio
import sys
import unicodedata
from collections.abc import Iterator

import pytest

from service.settings import Settings
from service.stores.embedded import StoreUrls
from sql_migrations.search_functions import FUNCTIONS
from tests.fixtures.stores import connected
from tests.sql_migrations.rows import execute, fetch

LOCALES = {
    "c": "LOCALE_PROVIDER libc LOCALE 'C'",
    "c_utf8": "LOCALE_PROVIDER libc LOCALE 'C.UTF-8'",
}
NORMALISED = """
SELECT search_text(t), fold_name(t), to_tsvector('english', search_text(t))::text,
       search_vector(left(t, 2000), '')::text, search_query(left(t, 150))::text,
       search_patterns(left(t, 150)), search_certain(left(t, 150))::text,
       search_websearch(left(t, 150))::text
FROM unnest($1::text[]) WITH ORDINALITY AS samples (t, n) ORDER BY n
"""


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def texts() -> Iterator[str]:
    """Every assigned character, in a word and with capitals around it."""
    words = [
        f"Q{chr(point)}z"
        for point in range(1, sys.maxunicode)
        if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")
    ]
    for start in range(0, len(words), 10_000):
        yield " ".join(words[start : start + 10_000])


@pytest.mark.parametrize("locale", LOCALES)
def test_normalisation_in_another_locale_is_the_same(
    url: str, engines: StoreUrls, worker_name: str, locale: str
) -> None:
    name = f"{worker_name}_{locale}"

    async def create() -> None:
        async with connected(url) as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {name}")
            await connection.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' {LOCALES[locale]}"
            )

    asyncio.run(create())
    other = f"{engines.database_url.rpartition('/')[0]}/{name}"
    execute(
        other, *(f"CREATE FUNCTION {signature} {body}" for signature, body in FUNCTIONS.items())
    )
    samples = list(texts())
    here, elsewhere = fetch(url, NORMALISED, samples), fetch(other, NORMALISED, samples)
    lower = "SELECT lower('É') = 'é'"
    if locale == "c":
        assert (fetch(url, lower)[0][0], fetch(other, lower)[0][0]) == (True, False)
    assert [n for n, row in enumerate(here) if row != elsewhere[n]] == []


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("“Hello” «bonjour» 😀hi", " hello bonjour hi"),
        ("AC/DC node.js ESP-1450", " ac dc node js esp 1450"),
        ("Größe GRÖSSE Cafe\u0301 café", " grosse grosse cafe cafe"),
        ("ＦＵＬＬ ﬁne №5 x²", " full fine no5 x2"),
        ("Ørsted Łódź ΣΊΣΥΦΟΣ σίσυφος", " orsted lodz σισυφοσ σισυφοσ"),
        ("İstanbul ISPARTA ısparta", " istanbul isparta isparta"),
        ("za\u200bge\u00adcho\u2060 ٣४", " zagecho 34"),
        ("", " "),
    ],
)
def test_text_is_normalised_to_words(url: str, typed: str, words: str) -> None:
    assert fetch(url, "SELECT rtrim(search_text($1)) || ''", typed)[0][0] == words.rstrip()


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("“end of life” -node.js", "'end' <2> 'life' & !( 'node' <-> 'js' )"),
        ("motor OR AC/DC", "'motor' | 'ac' <-> 'dc'"),
        ('"a motor', "'motor'"),
        ("--motor - -", "!'motor'"),
        ("-" * 99, None),
        ("😀", None),
    ],
)
def test_query_of_a_search_engine_is_normalised(url: str, typed: str, query: str | None) -> None:
    assert fetch(url, "SELECT search_websearch($1)::text", typed)[0][0] == query


def test_words_that_grow_a_lot_stay_within_the_limits(url: str) -> None:
    long = "㌖" * 800  # each becomes six letters of three bytes
    vectors = "SELECT search_vector($1, $1), to_tsvector('english', search_text($2))"
    assert fetch(url, vectors, long, "㌖ " * 50_000)
    assert fetch(url, "SELECT search_query($1), search_websearch($1)", long[:200])[0][0]
