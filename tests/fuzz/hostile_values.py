"""Values, keys, headers and encodings that parsers and stores trip over.

``CANARY`` stands in values alone: an error response may name a field, but repeats no value.
"""

CANARY = "cnry7f3a"

STRINGS = [
    CANARY, "", " ", "\x00" + CANARY, "\ud83d" + CANARY, CANARY + "\ude00", CANARY * 30_000,
    "e" + "\u0301" * 500, "\u202e" + CANARY, "\u2028", "\r\nSet-Cookie: a=" + CANARY, "\x1b[31m",
    "'; DROP TABLE users; --" + CANARY, '" OR ""="', "$where", "a.b", "%s%n%p", "{{7*7}}",
    "../../x",
    "NaN", "Infinity", "-0", "1e400", "0x10", "\u0661\u0662", "1_000", "9" * 400,
    "1.0000000000000001",
    "0000-00-00T00:00:00Z", "9999-12-31T23:59:60Z", "2026-02-30T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "2026-01-01", "1700000000",
    "99999999999999999",
    "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "{" + CANARY + "}",
    "a@b", "\u00e9@\u00e9.\u00e9", CANARY + "@" + "a" * 300 + ".x", "EUR", "eur", "admin", "-" * 33,
    '"', "\\", "(" * 60, "a*" * 60, "\ufffe", "\ufeff" + CANARY, "\U0010ffff", "null", "true",
]  # fmt: skip

# JSON text, also of what is not JSON.
NUMBERS = [
    "0", "-0", "-1", "1", "2147483647", "2147483648", "-2147483649", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "1e400", "-1e400", "1e-400", "1.5", "0.005", "1e30", "12345678901234567.89", "1E5",
    "9" * 5000, "0." + "1" * 5000, "NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x1",
]  # fmt: skip
CONSTANTS = [
    "true",
    "false",
    "null",
    "nul",
    "True",
    "undefined",
    "''",
    "[]",
    "{}",
    "[,]",
    "{,}",
    '{"a"}',
]
CONTAINERS = [
    "[" * 33 + "]" * 33, '{"a":' * 33 + "1" + "}" * 33, "[" * 200 + "]" * 200,
    "[" * 60_000 + "]" * 60_000, '{"a":' * 60_000 + "1" + "}" * 60_000,
    '{"$ne":null}', '{"$where":"sleep(9000)"}', '{"$regex":"(a+)+$"}', '{"a.b":1}', '{"":1}',
    '{"__proto__":{"a":1}}', '{"a":1,"a":2}', '{"\\ud83d":1}', '{"\\u0000":1}',
    "[" + ",".join(["0"] * 20_001) + "]", "[" + ",".join(["{}"] * 2_000) + "]",
    "{" + ",".join(f'"k{n}":{n}' for n in range(5_000)) + "}", "[null]", '[""]', f'["{CANARY}"]',
]  # fmt: skip
KEYS = [
    "", " ", "$set", "$", "a.b", ".", "_id", "id", "__class__", "\x00", "\ud83d", "\ude00\ud83d",
    "k" * 100_000, "~/~1~0", "\u202ekey", "\ufeff", "items/0", "role", "version", "owner_id",
    "created_at",
]  # fmt: skip

QUERIES = [
    "", "%00", "%ff", "%ed%a0%80", "%C0%AE", "+", "%", "%zz", "%0d%0aX:1", "-1", "0", "1", "201",
    "2147483648", "9223372036854775808", "1e400", "NaN", "9" * 500, "1.5", "true", "null", "[]",
    "a,b,c", ",", ",,", "id,-id", "-", "*", "$where", "a.b", "created_at", "-created_at;--",
    "exact",
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00%2B14:00", "0001-01-01T00:00:00%2B14:00",
    "20261101",
    "9999-12-31T23:59:59-14:00", "00000000-0000-0000-0000-000000000000", "%27%20OR%201=1--",
    "-" * 33, "%22", "%28%7C%26", "%F0%9F%98%80", "a" * 7000, "e" + "%CC%81" * 900, CANARY,
    CANARY + "%00", CANARY * 200, "%2A" * 300, "-%22-", "or", "AND%20OR", "%5C", "%25", "_%25_",
]  # fmt: skip
PATHS = [
    "%00", "%ff", "%ed%a0%80", "..", "%2e%2e%2f", "%2F", "-1", "0", "a" * 3000, "%F0%9F%98%80",
    "null",
    "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "%7B%7D",
    "$where",
    "urn:uuid:00000000-0000-0000-0000-000000000000", "%20", "a.b", "*", "%25", ";a=b", "a%0d%0aX:1",
    "9223372036854775808", "%E2%80%AE", "'", "%5C", "[", "|", "01930d6e00007000800000000000000z",
]  # fmt: skip

HEADERS = [
    ("Content-Type", value) for value in (
        "", "text/plain", "application/xml", "application/json; charset=utf-16",
        "application/x-ndjson",
        "application/json; charset=\xff", "application/json, text/plain", "text/csv", ";",
        "a" * 4000,
        "application/x-www-form-urlencoded", "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/cloudevents+json", "application/cloudevents-batch+json",
        "application/merge-patch+json",
    )
] + [
    ("Content-Encoding", value) for value in (
        "gzip", "deflate", "br", "zstd", "identity", "x", "gzip, gzip",
    )
] + [
    (name, value) for name in ("If-Match", "If-None-Match", "Idempotency-Key") for value in (
        "", "*", '"', '"1"', '"1", "2"', 'W/"1"', CANARY, CANARY * 300, "\xff\xfe",
        '"' + "9" * 50 + '"',
        "a b", "\t", '"-1"', '"0x1"', "," * 500,
    )
] + [
    ("Range", "bytes=0-1"), ("Range", "bytes=" + "0-1," * 500), ("Accept", "text/html"),
    ("Accept", "\xff"),
    ("Authorization", "Bearer " + CANARY), ("Authorization", "Basic \xff"),
    ("Authorization", "Bearer"),
    ("Authorization", "Bearer " + "a." * 3000), ("Authorization", "Bearer pk_" + CANARY + "_x"),
    ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."), ("X-Request-Id", '\xff"}'),
    ("Expect", "x"),
    ("X-Forwarded-For", CANARY), ("X-Forwarded-Proto", "\xff"), ("Forwarded", "for=" + CANARY),
    ("Trailer", "Host"),
    ("Cookie", "a=" + CANARY), ("Origin", "null"), ("X-HTTP-Method-Override", "DELETE"),
    ("Host", CANARY),
    ("Last-Event-ID", CANARY), ("Accept-Encoding", "gzip;q=x"), ("ce-id", CANARY),
    ("ce-time", "\xff"),
    ("ce-specversion", "0"), ("Prefer", CANARY), ("Upgrade", "h2c"), ("A" * 3000, "b"),
    ("A", "b" * 17_000),
]  # fmt: skip
