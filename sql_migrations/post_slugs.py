"""The rule of posts' slugs, as the migrations of 21 November 2026 know it.

Copied from the service on purpose: the service may change its rule, history may not.
"""

from sql_migrations.batches import Batches

RULE = "slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'"

# slug_of() in SQL. ASCII is what is left before lower(), so that no locale has a say in it.
_LETTERS = (
    r"lower(regexp_replace(normalize(replace(replace(title, 'ß', 'ss'), 'ẞ', 'ss'), NFKD),"
    r" '[^\u0001-\u007f]+', '', 'g') COLLATE " + '"C")'
)
_WORDS = f"btrim(regexp_replace({_LETTERS}, '[^a-z0-9]+', '-', 'g'), '-')"
SLUG_OF_TITLE = f"coalesce(nullif(btrim(left({_WORDS}, 100), '-'), ''), 'post')"

# The first of a title gets the plain slug if it is free, the others an end made of their id. Who
# has read the post before sees by its version that it is another one now.
NAME_POSTS = Batches(
    table="posts",
    todo=f"NOT {RULE}",
    reads="id, title",
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
