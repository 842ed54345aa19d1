"""The rule for slugs of posts, as of the migrations of 21 November 2026.

Copied from the service on purpose, because the service may change its rule and history may not.
"""

from sql_migrations.batches import Batches

RULE = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"

# slug_of() in SQL. Only ASCII reaches lower(), so that the result does not depend on a locale.
_LETTERS = (
    r"lower(regexp_replace(normalize(replace(replace(title, 'ß', 'ss'), 'ẞ', 'ss'), NFKD),"
    r" '[^\u0001-\u007f]+', '', 'g') COLLATE " + '"C")'
)
_WORDS = f"btrim(regexp_replace({_LETTERS}, '[^a-z0-9]+', '-', 'g'), '-')"
SLUG_OF_TITLE = f"coalesce(nullif(btrim(left({_WORDS}, 100), '-'), ''), 'post')"

# The first post of a title gets the plain slug if it is free; the others get a suffix from their
# id. The version is increased, so that clients with an earlier ETag notice the change.
NAME_POSTS = Batches(
    table="posts",
    where=f"NOT {RULE}",
    columns="id, title",
    change=f"""\
UPDATE posts
SET slug = CASE
        WHEN named.place = 1 AND NOT EXISTS (SELECT FROM posts AS p WHERE p.slug = named.plain)
        THEN named.plain
        ELSE named.plain || '-' || left(
            encode(sha256(convert_to(CAST(posts.id AS text) || :attempt, 'UTF8')), 'hex'), 12)
    END,
    version = posts.version + 1,
    updated_at = now()
FROM (
    SELECT id, plain, row_number() OVER (PARTITION BY plain ORDER BY id) AS place
    FROM (SELECT id, {SLUG_OF_TITLE} AS plain FROM batch) AS titled
) AS named
WHERE posts.id = named.id""",  # noqa: S608
)
