"""Access tokens: JWT (RFC 7519) of the profile RFC 9068, signed with HS256 and nothing else.

Several secrets verify and the first signs, so that a secret can be rotated without a break: put the
new one first and keep the old one behind it until its tokens have expired.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import jwt
from uuid_utils.compat import uuid7

from service.auth.caller import InvalidToken
from service.settings import Settings

ALGORITHM, KIND = "HS256", "at+jwt"
_CLAIMS = ["iss", "aud", "sub", "exp", "iat", "jti", "scope"]
_PURPOSE = b"polystore access token"


class Claims(NamedTuple):
    """The claims of an access token: user, scopes, and the login or key it was issued for.

    ``secret_id`` names the secret of the key, so that the token ends with that secret.
    """

    user_id: UUID
    scopes: frozenset[str]
    login_id: UUID | None = None
    key_id: UUID | None = None
    secret_id: str | None = None


class Keyring:
    """Sign with the first secret and verify with all."""

    def __init__(self, secrets: Sequence[bytes], *, issuer: str, audience: str) -> None:
        # Derived keys, so that other signatures of the secret are never accepted as tokens.
        keys = [hmac.digest(secret, _PURPOSE, hashlib.sha256) for secret in secrets]
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}
        self._signing = next(iter(self._keys))
        self._issuer, self._audience = issuer, audience

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """Return the keyring with the secrets, issuer and audience of the settings."""
        return cls(
            settings.signing_secrets(),
            issuer=settings.token_issuer,
            audience=settings.token_audience,
        )

    def sign(self, claims: Claims, lifetime: timedelta) -> str:
        """Return a token with these claims, valid for ``lifetime`` from now."""
        now = datetime.now(UTC)
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(claims.user_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid7()),
            "scope": " ".join(sorted(claims.scopes)),
        }
        if claims.login_id is not None:
            payload["login"] = str(claims.login_id)
        if claims.key_id is not None:
            payload["key"] = str(claims.key_id)
            payload["mark"] = claims.secret_id
        headers = {"kid": self._signing, "typ": KIND}
        return jwt.encode(payload, self._keys[self._signing], ALGORITHM, headers)

    def read(self, token: str) -> Claims:
        """Return the claims of a token.

        Raises:
            InvalidToken: signature, issuer or audience are wrong, or it has expired.
        """
        try:
            head = jwt.get_unverified_header(token)
            payload = jwt.decode(
                token,
                self._keys[head["kid"]],
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                options={"require": _CLAIMS, "strict_aud": True},
            )
            if head.get("typ") != KIND:
                raise InvalidToken
            return Claims(
                UUID(payload["sub"]),
                frozenset(payload["scope"].split()),
                _uuid(payload.get("login")),
                _uuid(payload.get("key")),
                payload.get("mark"),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidToken from error


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
