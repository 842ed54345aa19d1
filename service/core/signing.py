"""Signatures: of what leaves us as text and comes back, and of what a request was."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence

SIGNATURE_BYTES = 16


class Signer:
    """HMAC-SHA-256 (RFC 2104): the first of the secrets signs, each is believed.

    So a secret is changed and nobody loses the place they had.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def digests(self, message: bytes) -> Iterator[bytes]:
        """Its digest under each secret, 32 bytes; the present one first."""
        return (hmac.digest(secret, message, hashlib.sha256) for secret in self._secrets)

    def sign(self, message: bytes) -> bytes:
        """The signature: a digest cut to SIGNATURE_BYTES (RFC 2104, 5)."""
        return next(self.digests(message))[:SIGNATURE_BYTES]

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether we have signed this, now or under an earlier secret."""
        return any(
            hmac.compare_digest(signature, digest[:SIGNATURE_BYTES])
            for digest in self.digests(message)
        )
