"""Signatures of what leaves us as text and comes back: cursors, and ids of a stream."""

import hashlib
import hmac
from collections.abc import Sequence

SIGNATURE_BYTES = 16


class Seal:
    """HMAC-SHA-256, cut short (RFC 2104, 5): the first of the secrets signs, each is believed.

    So a secret is changed and nobody loses the place they had.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def sign(self, said: bytes) -> bytes:
        """The signature, SIGNATURE_BYTES long."""
        return _sign(self._secrets[0], said)

    def is_ours(self, signature: bytes, said: bytes) -> bool:
        """Whether we have signed this, now or under an earlier secret."""
        return any(hmac.compare_digest(signature, _sign(each, said)) for each in self._secrets)


def _sign(secret: bytes, said: bytes) -> bytes:
    return hmac.digest(secret, said, hashlib.sha256)[:SIGNATURE_BYTES]
