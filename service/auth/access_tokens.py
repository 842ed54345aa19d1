"""Access tokens: JWT (RFC 7519) of the profile RFC 9068, signed with HS256 and nothing else.

Several keys verify and one signs, so that a secret can be changed without anybody noticing: put the
new one first and leave the old one behind it until what it signed has run out.
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
    """What an access token says: who, how far, and by which login or key they came.

    ``secret_mark`` tells which secret of a key it was, so that it ends with that one.
    """

    user_id: UUID
    scopes: frozenset[str]
    login_id: UUID | None = None
    key_id: UUID | None = None
    secret_id: str | None = None


class Keyring:
    """Signs with the first secret and verifies with all."""

    def __init__(self, secrets: Sequence[bytes], *, issuer: str, audience: str) -> None:
        # A key of their own, so that what else the secret signs is never taken for a token.
        keys = [hmac.digest(secret, _PURPOSE, hashlib.sha256) for secret in secrets]
        self._keys = {hashlib.sha256(key).hexdigest()[:8]: key for key in keys}
        self._signing = next(iter(self._keys))
        self._issuer, self._audience = issuer, audience

    @classmethod
    def of(cls, settings: Settings) -> "Keyring":
        """With the secrets, issuer and audience of the settings."""
        return cls(
            settings.signing_secrets(),
            issuer=settings.token_issuer,
            audience=settings.token_audience,
        )

    def sign(self, claims: Claims, lifetime: timedelta) -> str:
        """A token with these claims, good for ``lifetime`` from now."""
        now = datetime.now(UTC)
        said = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(claims.user_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid7()),
            "scope": " ".join(sorted(claims.scopes)),
        }
        if claims.login_id is not None:
            said["login"] = str(claims.login_id)
        if claims.key_id is not None:
            said["key"] = str(claims.key_id)
            said["mark"] = claims.secret_id
        headers = {"kid": self._signing, "typ": KIND}
        return jwt.encode(said, self._keys[self._signing], ALGORITHM, headers)

    def read(self, token: str) -> Claims:
        """What a token says.

        Raises:
            InvalidToken: it is not one of ours, for somebody else, or has run out.
        """
        try:
            head = jwt.get_unverified_header(token)
            said = jwt.decode(
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
                UUID(said["sub"]),
                frozenset(said["scope"].split()),
                _uuid(said.get("login")),
                _uuid(said.get("key")),
                said.get("mark"),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidToken from error


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
