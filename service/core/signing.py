"""Signatures of text that a client gets and sends back, and of requests."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence

SIGNATURE_BYTES = 16


class Signer:
    """HMAC-SHA-256 (RFC 2104): the first secret signs, all of them verify.

    Cursors and keys that an earlier secret signed stay valid when the secret changes.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def digests(self, message: bytes) -> Iterator[bytes]:
        """Yield the digest of a message under each secret, 32 bytes; the signing one is first."""
        return (hmac.digest(secret, message, hashlib.sha256) for secret in self._secrets)

    def sign(self, message: bytes) -> bytes:
        """Return the signature: a digest cut to SIGNATURE_BYTES (RFC 2104, 5)."""
        return next(self.digests(message))[:SIGNATURE_BYTES]

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Return whether one of the secrets signed the message."""
        return any(
            hmac.compare_digest(signature, digest[:SIGNATURE_BYTES])
            for digest in self.digests(message)
        )
