"""The migration's slugs are the service's."""

import sys
import unicodedata

import pytest
from pydantic import TypeAdapter, ValidationError

from service.relational.posts.schemas import Slug
from service.relational.posts.slug import slug_of
from service.settings import Settings
from sql_migrations.post_slugs import RULE, SLUG_OF_TITLE
from tests.sql_migrations.rows import ask

TITLES = [
    "",
    "---",
    "Größe & Maß",
    "a\nb\tc",
    "愛",
    "É x",
    "a" * 99 + " b",
    "Foo™ \N{MATHEMATICAL BOLD CAPITAL B}old",
    "İstanbul",
]


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.database_url is not None
    return settings.database_url.get_secret_value()


def test_every_character_of_a_title_becomes_what_the_service_makes_of_it(url: str) -> None:
    assigned = (
        f"a{chr(point)}B"
        for point in range(1, sys.maxunicode)
        if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")
    )
    titles = [*TITLES, *assigned]

    question = f"SELECT {SLUG_OF_TITLE} FROM unnest($1::text[]) WITH ORDINALITY AS t (title, n)"
    slugs = [row[0] for row in ask(url, f"{question} ORDER BY n", titles)]
    assert len(slugs) > 140_000
    differ = [(t, s) for t, s in zip(titles, slugs, strict=True) if s != slug_of(t)]
    assert differ == []


@pytest.mark.parametrize(
    "slug", ["a", "a-b", "7-a-9", "", "-a", "a-", "a--b", "A", "é", "a_b", "a b", "a\n", "a\nb"]
)
def test_the_database_and_the_service_have_one_rule(url: str, slug: str) -> None:
    try:
        TypeAdapter(Slug).validate_python(slug)
    except ValidationError:
        taken = False
    else:
        taken = True
    assert (
        ask(url, f"SELECT {RULE} AS holds FROM (SELECT '{slug}' AS slug) AS t")[0]["holds"] is taken
    )
    breaker = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_posts_slug'"
    assert "^[a-z0-9]+(-[a-z0-9]+)*$" in ask(url, breaker)[0][0]
