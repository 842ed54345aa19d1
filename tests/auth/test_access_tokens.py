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
SOME_ID = uuid4()


def ring(*secrets: bytes, issuer: str = "us", audience: str = "here") -> Keyring:
    return Keyring(secrets or (SECRET,), issuer=issuer, audience=audience)


RING = ring()
((KID, KEY),) = RING._keys.items()
HEAD = {"alg": ALGORITHM, "typ": KIND, "kid": KID}


def claims_with(**changed: Any) -> dict[str, Any]:
    """Return the claims of a valid token; None leaves one out."""
    now = int(time.time())
    claims = {
        "iss": "us", "aud": "here", "sub": str(SOME_ID), "iat": now, "exp": now + 60,
        "jti": "1", "scope": "posts:read", "login": str(SOME_ID), **changed,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


def base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def forge(
    head: dict[str, Any], claims: dict[str, Any], key: bytes = KEY, digest: str = "sha256"
) -> str:
    """Return a token made by hand, because PyJWT refuses to make most of these."""
    signed = f"{base64url(json.dumps(head).encode())}.{base64url(json.dumps(claims).encode())}"
    return f"{signed}.{base64url(hmac.digest(key, signed.encode(), digest))}"


def is_invalid(token: str, keyring: Keyring = RING) -> bool:
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
def test_token_signed_is_read_with_its_claims(claims: Claims) -> None:
    token = RING.sign(claims, MINUTE)
    assert RING.read(token) == claims
    assert jwt.get_unverified_header(token) == HEAD


def test_token_is_unique() -> None:
    claims = Claims(SOME_ID, frozenset())
    assert RING.sign(claims, MINUTE) != RING.sign(claims, MINUTE)


def test_token_forged_with_the_right_key_is_valid() -> None:
    """Or nothing below would say anything."""
    assert RING.read(forge(HEAD, claims_with())).user_id == SOME_ID


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
@pytest.mark.parametrize("signature", ["", "x"])
def test_token_without_signature_is_invalid(algorithm: str, signature: str) -> None:
    head, claims, _ = forge({**HEAD, "alg": algorithm}, claims_with()).split(".")
    assert is_invalid(f"{head}.{claims}.{signature}")
    head, claims, _ = forge(HEAD, claims_with()).split(".")
    assert is_invalid(f"{head}.{claims}.{signature}")
    assert is_invalid(f"{head}.{claims}")


@pytest.mark.parametrize(("algorithm", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
def test_token_with_stronger_algorithm_is_invalid(algorithm: str, digest: str) -> None:
    assert is_invalid(forge({**HEAD, "alg": algorithm}, claims_with(), digest=digest))


@pytest.mark.parametrize(
    "algorithm", ["RS256", "ES256", "PS256", "EdDSA", "hs256", None, 5, [], {}]
)
def test_token_with_other_algorithm_in_header_is_invalid(algorithm: Any) -> None:
    assert is_invalid(forge({**HEAD, "alg": algorithm}, claims_with()))


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
def test_token_with_wrong_claim_is_invalid(changed: dict[str, Any]) -> None:
    assert is_invalid(forge(HEAD, claims_with(**changed)))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "iat", "jti", "scope"])
def test_token_with_missing_claim_is_invalid(claim: str) -> None:
    assert is_invalid(forge(HEAD, claims_with(**{claim: None})))


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
def test_token_with_wrong_header_is_invalid(changed: dict[str, Any]) -> None:
    head = {name: value for name, value in {**HEAD, **changed}.items() if value is not None}
    assert is_invalid(forge(head, claims_with()))


def test_token_with_embedded_key_is_invalid() -> None:
    own = b"a key of the forger's, long enough"
    jwk = {"kty": "oct", "k": base64url(own)}
    assert is_invalid(
        forge({**HEAD, "jwk": jwk, "jku": "https://evil.example"}, claims_with(), own)
    )


def test_token_with_changed_payload_is_invalid() -> None:
    head, _, signature = RING.sign(Claims(SOME_ID, frozenset()), MINUTE).split(".")
    more = base64url(json.dumps(claims_with(scope="users:admin")).encode())
    assert is_invalid(f"{head}.{more}.{signature}")


def test_keyring_previous_secret_verifies_until_removed() -> None:
    token = ring(OTHER).sign(Claims(SOME_ID, frozenset()), MINUTE)
    assert ring(SECRET, OTHER).read(token).user_id == SOME_ID
    assert is_invalid(token, ring(SECRET))
    made = ring(SECRET, OTHER).sign(Claims(SOME_ID, frozenset()), MINUTE)
    assert ring(SECRET).read(made), "the first signs"


def test_token_signed_with_the_plain_secret_is_invalid() -> None:
    """Other signatures, such as cursors', must not pass for tokens."""
    assert is_invalid(forge(HEAD, claims_with(), SECRET))
    kid = hashlib.sha256(SECRET).hexdigest()[:8]
    assert is_invalid(forge({**HEAD, "kid": kid}, claims_with(), SECRET))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "x", "a.b.c", "é.é.é", "\ud800", "W10.W10.W10", "bnVsbA.e30.e30"]
)
def test_token_malformed_is_invalid(token: str) -> None:
    assert is_invalid(token)


@pytest.mark.parametrize("piece", [b"[", b'{"a":'])
def test_token_with_deeply_nested_header_is_invalid(piece: bytes) -> None:
    """A token of 12 KiB fits into the headers of a request."""
    assert is_invalid(f"{base64url(piece * (9000 // len(piece)))}.e30.e30")
