# ruff: noqa: S608 - the functions are made of constants
"""SQL functions that normalise text for search, for the stored text and the typed text alike.

None depends on the locale of the database: letters are those of the collation ``pg_c_utf8``, which
PostgreSQL has since version 17. The encoding of the database must be UTF8.

``search_text`` returns words in lower case without accents, each behind one blank. All else
separates words, such as white space, punctuation and symbols. So ``AC/DC`` and ``ac-dc`` are
`` ac dc``, and are found whole and by each word.
"""

# Marks of Latin, Greek, Cyrillic, Hebrew and Arabic; variants of symbols; characters without width.
_DROPPED = (
    r"\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    r"\ufe00-\ufe0f\ufe20-\ufe2f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
)
# Letters without a decomposition, a form at the end of a word, and digits of other scripts.
_DIGITS = "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯๐๑๒๓๔๕๖๗๘๙"
_FROM, _TO = "ςøłđħı" + _DIGITS, "σoldhi" + "0123456789" * 5  # noqa: RUF001 - sigma is meant
_QUOTES = "“”„‟«»"
_OPTIONS = "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE"
# A longer word of a tsvector could exceed its 2,046 bytes. A text can be 18 times as long as what
# was typed, and a tsvector holds 1 MB.
_MOST_OF_WORD, _MOST_OF_TEXT = 200, 200_000
_MOST_OF_PARTS = 2_000  # because substr() reads a text from its start

FUNCTIONS = {
    # The form in which names are compared: composed, in lower case.
    "fold_name(name text)": f"""
        RETURNS text {_OPTIONS} RETURN lower(normalize(name, NFC) COLLATE "pg_c_utf8")
    """,
    # Most text is ASCII by then; to translate it takes longer than all else.
    "fold_text(typed text)": f"""
        RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            folded text := lower(typed COLLATE "pg_c_utf8");
        BEGIN
            IF octet_length(typed) = length(typed) THEN
                RETURN folded;
            END IF;
            folded := regexp_replace(lower(normalize(typed, NFKD) COLLATE "pg_c_utf8"),
                '[{_DROPPED}]+', '', 'g');
            IF folded COLLATE "pg_c_utf8" ~ '[{_FROM}]' THEN
                folded := translate(folded, '{_FROM}', '{_TO}');
            END IF;
            RETURN replace(replace(replace(folded, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
        END $$
    """,
    "search_text(typed text)": rf"""
        RETURNS text {_OPTIONS} RETURN left(regexp_replace(
            (' ' || fold_text(typed)) COLLATE "pg_c_utf8", '[\W_]+', ' ', 'g'
        ), {_MOST_OF_TEXT})
    """,
    # All parts of three characters, each behind =, which no word has. A loop is three times as
    # fast as generate_series (measured: 18 and 51 µs for 60 characters).
    "search_parts(words text)": """
        RETURNS text[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
        DECLARE
            parts text[] := '{}';
        BEGIN
            FOR start IN 1 .. length(words) - 2 LOOP
                parts[start] := '=' || substr(words, start, 3);
            END LOOP;
            RETURN parts;
        END $$
    """,
    # The words of both texts, and the parts of the first.
    "search_vector(in_parts text, in_words text)": f"""
        RETURNS tsvector {_OPTIONS} RETURN array_to_tsvector(
            search_parts(left(search_text(in_parts), {_MOST_OF_PARTS})) || ARRAY(
                SELECT left(word, {_MOST_OF_WORD})
                FROM string_to_table(search_text(in_parts || ' ' || in_words), ' ') AS word
                WHERE word <> ''
            )
        )
    """,
    # What was typed between blanks: one word, or several such as 'ac dc' for AC/DC.
    "search_terms(typed text)": rf"""
        RETURNS text[] {_OPTIONS} RETURN (
            SELECT array_agg(DISTINCT term)
            FROM regexp_split_to_table(fold_text(typed) COLLATE "pg_c_utf8", '\s+') AS t,
                btrim(left(search_text(t), {_MOST_OF_WORD})) AS term
            WHERE term <> ''
        )
    """,
    # What a text contains that has the term: a word of one or two letters begins a word.
    "search_pattern(term text)": f"""
        RETURNS text {_OPTIONS} RETURN
        CASE WHEN length(split_part(term, ' ', 1)) < 3 THEN ' ' || term ELSE term END
    """,
    "search_patterns(typed text)": f"""
        RETURNS text[] {_OPTIONS} RETURN (
            SELECT array_agg('%' || search_pattern(term) || '%')
            FROM unnest(search_terms(typed)) AS term
        )
    """,
    # What is certain without the text: each term begins a word, or is a part of three letters. No
    # vector has the word '=', which stands for a term of several words.
    "search_certain(typed text)": f"""
        RETURNS tsquery {_OPTIONS} RETURN (
            SELECT string_agg(
                CASE WHEN term LIKE '% %' THEN '''='''
                    WHEN length(term) = 3 THEN format('(''%s'':* | ''=%s'')', term, term)
                    ELSE format('''%s'':*', term) END,
                ' & '
            )::tsquery
            FROM unnest(search_terms(typed)) AS term
        )
    """,
    # Each term begins a word, or its parts are among those of the text, perhaps not as neighbours.
    # Only parts that do not overlap, and the last, because the planner takes them as independent.
    "search_query(typed text)": f"""
        RETURNS tsquery {_OPTIONS} RETURN (
            SELECT string_agg(
                '(''' || replace(term, ' ', ''' & ''') || ''':*' || coalesce(' | ' || (
                    SELECT string_agg('''' || part || '''', ' & ')
                    FROM search_pattern(term) AS pattern,
                        unnest(search_parts(pattern)) WITH ORDINALITY AS parts (part, nth)
                    WHERE nth % 3 = 1 OR nth = length(pattern) - 2
                ), '') || ')', ' & '
            )::tsquery
            FROM unnest(search_terms(typed)) AS term
        )
    """,
    # The query of a search engine: "a phrase", or, -not. Words with punctuation inside are phrases.
    "search_websearch(typed text)": rf"""
        RETURNS tsquery {_OPTIONS} RETURN (
            SELECT websearch_to_tsquery('english', string_agg(
                found[1] || CASE WHEN found[2] LIKE '"%' OR words LIKE '% %'
                    THEN '"' || words || '"' ELSE words END,
                ' ' ORDER BY nth
            ))
            FROM regexp_matches(
                    translate(fold_text(typed), '{_QUOTES}', '{'"' * len(_QUOTES)}')
                        COLLATE "pg_c_utf8",
                    '(-?)("[^"]*"?|[^"\s]+)', 'g'
                ) WITH ORDINALITY AS token (found, nth),
                btrim(left(search_text(found[2]), {_MOST_OF_WORD})) AS words
            WHERE words <> ''
        )
    """,
}
# The searched columns of each table, and the value of its column ``search``.
VECTORS = {
    "users": (
        ("username", "name", "city", "email"),
        "search_vector(concat_ws(' ', {row}username, {row}name, {row}city, {row}email), '')",
    ),
    "tags": (("name",), "search_vector({row}name, '')"),
    "products": (
        ("sku", "name", "description"),
        "search_vector({row}sku || ' ' || {row}name, {row}description)",
    ),
    "posts": (
        ("title", "content"),
        "to_tsvector('english', search_text({row}title || ' ' || {row}content))",
    ),
}
