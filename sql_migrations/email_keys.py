"""The function ``email_key``: two emails are the same if their keys are equal.

Written in SQL alone, so that a unique index guards the rule for every writer. It gives the same on
every server, because the collation ``pg_c_utf8`` is built into PostgreSQL 17 and newer.

- White space around the email is left out.
- The part before the @ is compared without case, in NFC. Lowered in NFD, İ stays another letter
  than i: two mailboxes never become one.
- The domain is compared without case and width, and with Punycode (RFC 3492) decoded: ``xn--…`` and
  its Unicode form are one domain. A label that is no Punycode stays as it is.

It accepts any text, because emails from before today's rule have a key as well. A key has at most
320 characters, so that indexes and cursors can hold it: one of 254 can become 4,500 in NFKD.
"""

# The constants are those of RFC 3492, section 5. A code point is inserted at a place between 0 and
# the 255 characters of a label, hence the limit of ``place``.
CREATE_EMAIL_KEY = r"""
CREATE OR REPLACE FUNCTION email_key(email text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 10 AS $$
DECLARE
    trimmed text := btrim(email, U&' \0009\000A\000B\000C\000D\00A0\3000');
    domain text := substring(trimmed FROM '[^@]*$');
    key text := normalize(lower(normalize(
        left(trimmed, length(trimmed) - length(domain)), NFD) COLLATE pg_c_utf8), NFC);
    decoded text[];
    label text;
    digits text;
    shown text;
    place bigint;
    start bigint;
    weight bigint;
    digit bigint;
    delta bigint;
    code bigint;
    bias int;
    threshold int;
    step int;
BEGIN
    domain := lower(normalize(domain, NFD) COLLATE pg_c_utf8);
    domain := normalize(lower(normalize(domain, NFKD) COLLATE pg_c_utf8), NFC);
    domain := translate(domain, U&'\3002', '.');
    IF position('xn--' IN domain) = 0 THEN
        RETURN left(key || domain, 320);
    END IF;
    <<labels>>
    FOREACH label IN ARRAY string_to_array(domain, '.') LOOP
        decoded := decoded || label;
        CONTINUE WHEN label !~ '^xn--[a-z0-9-]*[a-z0-9]$' OR length(label) > 255;
        digits := substring(label FROM '[a-z0-9]+$');
        shown := left(substr(label, 5), -length(digits) - 1);
        IF label = 'xn--' || digits THEN
            shown := '';
        END IF;
        place := 0;
        code := 128;
        bias := 72;
        WHILE digits <> '' LOOP
            start := place;
            weight := 1;
            step := 36;
            LOOP
                digit := strpos('abcdefghijklmnopqrstuvwxyz0123456789', left(digits, 1)) - 1;
                place := place + digit * weight;
                CONTINUE labels WHEN digits = '' OR place > 1114111 * 256;
                digits := substr(digits, 2);
                threshold := least(greatest(step - bias, 1), 26);
                EXIT WHEN digit < threshold;
                weight := weight * (36 - threshold);
                CONTINUE labels WHEN weight > 1114111 * 256;
                step := step + 36;
            END LOOP;
            delta := (place - start) / CASE start WHEN 0 THEN 700 ELSE 2 END;
            delta := delta + delta / (length(shown) + 1);
            step := 0;
            WHILE delta > 455 LOOP
                delta := delta / 35;
                step := step + 36;
            END LOOP;
            bias := step + 36 * delta / (delta + 38);
            code := code + place / (length(shown) + 1);
            CONTINUE labels WHEN code > 1114111 OR code BETWEEN 55296 AND 57343;
            place := place % (length(shown) + 1);
            shown := overlay(shown PLACING chr(code::int) FROM place::int + 1 FOR 0);
            place := place + 1;
        END LOOP;
        decoded[cardinality(decoded)] := normalize(shown, NFC);
    END LOOP;
    RETURN left(key || array_to_string(decoded, '.'), 320);
END
$$
"""
