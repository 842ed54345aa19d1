"""Access tokens: what is one of ours, and the many things that only look like it."""

import base64
import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from service.auth.access_tokens import ALGORITHM, KIND, Claims, Keyring
from service.auth.caller import InvalidToken

SECRET, OTHER = b"first secret of 32 bytes or more", b"other secret of 32 bytes or more"
MINUTE = timedelta(minutes=1)
NOBODYS = uuid4()


def ring(*secrets: bytes, issuer: str = "us", audience: str = "here") -> Keyring:
    return Keyring(secrets or (SECRET,), issuer=issuer, audience=audience)


RING = ring()
((KID, KEY),) = RING._keys.items()
HEAD = {"alg": ALGORITHM, "typ": KIND, "kid": KID}


def said(**changed: Any) -> dict[str, Any]:
    """The claims of a good token; None leaves one out."""
    now = int(time.time())
    claims = {
        "iss": "us", "aud": "here", "sub": str(NOBODYS), "iat": now, "exp": now + 60,
        "jti": "1", "scope": "posts:read", "login": str(NOBODYS), **changed,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


def packed(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forged(
    head: dict[str, Any], claims: dict[str, Any], key: bytes = KEY, digest: str = "sha256"
) -> str:
    """A token by hand: PyJWT would not make most of these."""
    signed = f"{packed(json.dumps(head).encode())}.{packed(json.dumps(claims).encode())}"
    return f"{signed}.{packed(hmac.digest(key, signed.encode(), digest))}"


def refused(token: str, keyring: Keyring = RING) -> bool:
    with pytest.raises(InvalidToken):
        keyring.read(token)
    return True


@pytest.mark.parametrize(
    "claims",
    [
        Claims(uuid4(), frozenset({"posts:read", "posts:write"}), login_id=uuid4()),
        Claims(uuid4(), frozenset(), key_id=uuid4()),
    ],
)
def test_what_is_signed_is_read_again(claims: Claims) -> None:
    token = RING.sign(claims, MINUTE)
    assert RING.read(token) == claims
    assert jwt.get_unverified_header(token) == HEAD


def test_no_two_tokens_are_the_same() -> None:
    claims = Claims(NOBODYS, frozenset())
    assert RING.sign(claims, MINUTE) != RING.sign(claims, MINUTE)


def test_what_is_forged_here_with_the_right_key_is_good() -> None:
    """Or nothing below would say anything."""
    assert RING.read(forged(HEAD, said())).user_id == NOBODYS


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
@pytest.mark.parametrize("signature", ["", "x"])
def test_a_token_without_a_signature_is_refused(algorithm: str, signature: str) -> None:
    head, claims, _ = forged({**HEAD, "alg": algorithm}, said()).split(".")
    assert refused(f"{head}.{claims}.{signature}")
    head, claims, _ = forged(HEAD, said()).split(".")
    assert refused(f"{head}.{claims}.{signature}")
    assert refused(f"{head}.{claims}")


@pytest.mark.parametrize(("algorithm", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
def test_a_stronger_algorithm_with_the_right_key_is_refused(algorithm: str, digest: str) -> None:
    assert refused(forged({**HEAD, "alg": algorithm}, said(), digest=digest))


@pytest.mark.parametrize(
    "algorithm", ["RS256", "ES256", "PS256", "EdDSA", "hs256", None, 5, [], {}]
)
def test_another_algorithm_in_the_head_is_refused(algorithm: Any) -> None:
    assert refused(forged({**HEAD, "alg": algorithm}, said()))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": int(time.time()) - 1},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"aud": "there"},
        {"aud": ["here", "there"]},
        {"aud": ["here"]},
        {"aud": {"here": 1}},
        {"iss": "them"},
        {"iss": ["us"]},
        {"sub": "not an id"},
        {"sub": 5},
        {"scope": ["posts:read"]},
        {"scope": 5},
        {"login": 5},
        {"login": "x"},
        {"key": ["x"]},
    ],
)
def test_a_claim_that_is_off_makes_it_nobodys(changed: dict[str, Any]) -> None:
    assert refused(forged(HEAD, said(**changed)))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "iat", "jti", "scope"])
def test_no_claim_may_be_missing(claim: str) -> None:
    assert refused(forged(HEAD, said(**{claim: None})))


@pytest.mark.parametrize(
    "changed",
    [
        {"kid": None},
        {"kid": "00000000"},
        {"kid": ["x"]},
        {"kid": {}},
        {"kid": "../../dev/null"},
        {"typ": "JWT"},
        {"typ": None},
        {"typ": "rt+jwt"},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_a_head_that_is_off_makes_it_nobodys(changed: dict[str, Any]) -> None:
    head = {name: value for name, value in {**HEAD, **changed}.items() if value is not None}
    assert refused(forged(head, said()))


def test_a_key_within_the_token_is_not_believed() -> None:
    own = b"a key of the forger's, long enough"
    jwk = {"kty": "oct", "k": packed(own)}
    assert refused(forged({**HEAD, "jwk": jwk, "jku": "https://evil.example"}, said(), own))


def test_a_changed_payload_does_not_fit_its_signature() -> None:
    head, _, signature = RING.sign(Claims(NOBODYS, frozenset()), MINUTE).split(".")
    more = packed(json.dumps(said(scope="users:admin")).encode())
    assert refused(f"{head}.{more}.{signature}")


def test_a_previous_secret_verifies_until_it_is_removed() -> None:
    token = ring(OTHER).sign(Claims(NOBODYS, frozenset()), MINUTE)
    assert ring(SECRET, OTHER).read(token).user_id == NOBODYS
    assert refused(token, ring(SECRET))
    made = ring(SECRET, OTHER).sign(Claims(NOBODYS, frozenset()), MINUTE)
    assert ring(SECRET).read(made), "the first signs"


def test_the_secret_itself_signs_no_token() -> None:
    """Other signatures, such as cursors', must not pass for tokens."""
    assert refused(forged(HEAD, said(), SECRET))
    kid = hashlib.sha256(SECRET).hexdigest()[:8]
    assert refused(forged({**HEAD, "kid": kid}, said(), SECRET))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "x", "a.b.c", "é.é.é", "\ud800", "W10.W10.W10", "bnVsbA.e30.e30"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(token)


@pytest.mark.parametrize("piece", [b"[", b'{"a":'])
def test_a_head_nested_without_end_is_refused(piece: bytes) -> None:
    """A token of 12 KiB fits into the headers of a request."""
    assert refused(f"{packed(piece * (9000 // len(piece)))}.e30.e30")
