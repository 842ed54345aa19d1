"""Access tokens, and tickets: JWT (RFC 7519) signed with HS256 and nothing else.

Access tokens have the profile RFC 9068. A ticket opens one address for a while. Its type differs,
so that neither is accepted as the other (RFC 8725, 3.11).

Several secrets verify and the first signs, so that a secret can be rotated without a break: put the
new one first and keep the old one behind it until its tokens have expired.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from uuid_utils.compat import uuid7

from service.auth.caller import InvalidToken
from service.settings import Settings

ALGORITHM, KIND, TICKET_KIND = "HS256", "at+jwt", "ticket+jwt"
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
        return self._sign(claims, lifetime, KIND)

    def sign_ticket(self, claims: Claims, lifetime: timedelta, opens: str) -> str:
        """Return a ticket with these claims; ``opens`` is compared by its reader."""
        return self._sign(claims, lifetime, TICKET_KIND, opens=opens)

    def read(self, token: str) -> Claims:
        """Return the claims of a token.

        Raises:
            InvalidToken: signature, issuer or audience are wrong, or it has expired.
        """
        return self._read(token, KIND)[0]

    def read_ticket(self, ticket: str) -> tuple[Claims, str]:
        """Return the claims of a ticket, and what it opens.

        Raises:
            InvalidToken: as of a token.
        """
        claims, payload = self._read(ticket, TICKET_KIND)
        return claims, payload["opens"]

    def _sign(self, claims: Claims, lifetime: timedelta, kind: str, **more: str) -> str:
        now = datetime.now(UTC)
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(claims.user_id),
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid7()),
            "scope": " ".join(sorted(claims.scopes)),
            **more,
        }
        if claims.login_id is not None:
            payload["login"] = str(claims.login_id)
        if claims.key_id is not None:
            payload["key"] = str(claims.key_id)
            payload["mark"] = claims.secret_id
        headers = {"kid": self._signing, "typ": kind}
        return jwt.encode(payload, self._keys[self._signing], ALGORITHM, headers)

    def _read(self, token: str, kind: str) -> tuple[Claims, dict[str, Any]]:
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
            if head.get("typ") != kind:
                raise InvalidToken
            claims = Claims(
                UUID(payload["sub"]),
                frozenset(payload["scope"].split()),
                _uuid(payload.get("login")),
                _uuid(payload.get("key")),
                payload.get("mark"),
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidToken from error
        return claims, payload


def _uuid(value: str | None) -> UUID | None:
    return None if value is None else UUID(value)
