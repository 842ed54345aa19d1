"""The slugs of the migration are those of the service."""

import sys
import unicodedata

import pytest
from pydantic import TypeAdapter, ValidationError

from service.relational.posts.schemas import Slug
from service.relational.posts.slug import slug_of
from service.settings import Settings
from sql_migrations.post_slugs import RULE, SLUG_OF_TITLE
from tests.sql_migrations.rows import fetch

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


def test_slug_in_sql_of_every_character_equals_the_services_slug(url: str) -> None:
    assigned = (
        f"a{chr(point)}B"
        for point in range(1, sys.maxunicode)
        if unicodedata.category(chr(point)) not in ("Cn", "Cs", "Co")
    )
    titles = [*TITLES, *assigned]

    query = f"SELECT {SLUG_OF_TITLE} FROM unnest($1::text[]) WITH ORDINALITY AS t (title, n)"
    slugs = [row[0] for row in fetch(url, f"{query} ORDER BY n", titles)]
    assert len(slugs) > 140_000
    pairs = zip(titles, slugs, strict=True)
    assert [(title, slug) for title, slug in pairs if slug != slug_of(title)] == []


@pytest.mark.parametrize(
    "slug", ["a", "a-b", "7-a-9", "", "-a", "a-", "a--b", "A", "é", "a_b", "a b", "a\n", "a\nb"]
)
def test_slug_rule_in_sql_equals_the_services_rule(url: str, slug: str) -> None:
    try:
        TypeAdapter(Slug).validate_python(slug)
    except ValidationError:
        valid = False
    else:
        valid = True
    assert fetch(url, f"SELECT {RULE} FROM (SELECT '{slug}' AS slug) AS t")[0][0] is valid
    constraint = (
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_posts_slug'"
    )
    assert "^[a-z0-9]+(-[a-z0-9]+)*$" in fetch(url, constraint)[0][0]
