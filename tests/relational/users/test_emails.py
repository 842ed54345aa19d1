"""Emails that are accepted, the form in which they are stored, and the text of a refusal."""

import re
from typing import NoReturn

import email_validator
import httpx2
import pytest

from service.relational.users.emails import EmailNotValid, normalize_email
from tests.relational.users.factories import user_body

STORED = {
    " Ada@EXAMPLE.com\n": "Ada@example.com",
    "e\u0301mil@example.com": "émil@example.com",
    "a@xn--mnchen-3ya.de": "a@münchen.de",
    "a@MU\u0308NCHEN.de": "a@münchen.de",
    "a@\uff45xample\u3002com": "a@example.com",
    "admin@corp.local": "admin@corp.local",
    "a@qa.test": "a@qa.test",
    "o'hara+x@sub.example.co.uk": "o'hara+x@sub.example.co.uk",
    f"{'a' * 246}@a.de": f"{'a' * 246}@a.de",
}
# With a word of the reason.
REFUSED = {
    "": "@-sign",
    "ada": "@-sign",
    "@example.com": "before",
    "ada@": "domain",
    "a@b@example.com": "invalid characters",
    "a b@example.com": "SPACE",
    "a..b@example.com": "periods",
    ".a@example.com": "period",
    "a@localhost": "needs a dot",
    "a@127.0.0.1": "must end with a name",
    "a@[127.0.0.1]": "bracketed IP",
    '"a b"@example.com': "Quoting",
    "a@x.invalid": "reserved",
    "a@x.onion": "reserved",
    "a@xn--zzzz999.de": "not a valid name",
    "a@ᄀ.de": "not a valid name",
    "a@-x.de": "hyphen",
    f"a@{'x' * 64}.de": "63",
    "é" * 130 + "@x.de": "254 bytes",
    "Ada <ada@example.com>": "alone",
    "a\u200bb@example.com": "ZERO WIDTH SPACE",
    "a@\u202eexample.com": "RIGHT-TO-LEFT OVERRIDE",
    "ada\uff20example.com": "full-width",
}


@pytest.mark.parametrize(("sent", "stored"), STORED.items())
def test_email_that_is_accepted_is_stored_in_one_form(sent: str, stored: str) -> None:
    assert normalize_email(sent) == stored
    assert normalize_email(stored) == stored


@pytest.mark.parametrize(("sent", "word"), REFUSED.items())
def test_email_that_is_refused_is_so_in_one_sentence(sent: str, word: str) -> None:
    with pytest.raises(EmailNotValid) as refusal:
        normalize_email(sent)
    message = str(refusal.value)
    assert word in message
    assert message.endswith("; send one such as ada@example.com")
    assert len(message) < 220
    assert re.search(r"[.!?] ", message) is None, "it is one sentence"


async def test_email_refused_with_another_field_names_both(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/users", json=user_body(email="a..b@example.com", age=-1))
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/email", "/age"}


async def test_email_too_long_never_reaches_the_library(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes 44 ms for 200 kB."""

    def validate(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the length is not checked first")

    monkeypatch.setattr(email_validator, "validate_email", validate)
    body = user_body(email="a" * 200_000 + "@example.com")
    for method, path in (("POST", "/v1/users"), ("PATCH", f"/v1/users/{'0' * 32}")):
        answer = await client.request(method, path, json=body)
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/email"]
