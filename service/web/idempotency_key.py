"""The Idempotency-Key header: what it may be, and what it was sent for.

Follows draft-ietf-httpapi-idempotency-key-header: the same key with the same request repeats the
answer, with another request it is refused.
"""

import hashlib
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from service.auth.caller import ANONYMOUS, Caller, address_of
from service.core.errors import BadRequest, Refused
from service.core.signing import Signer

REPLAYED = "Idempotency-Replayed"


class BadIdempotencyKey(BadRequest):
    code, title = "bad_idempotency_key", "This Idempotency-Key cannot be used"
    detail = "Send 1 to 255 printable ASCII characters, a fresh UUID for example."


class KeyReused(Refused):
    code, title = "idempotency_key_reused", "This key was used for another request"
    detail = "A key belongs to one request; send a new request with a new key."


class RequestedKey(NamedTuple):
    """A key as it is kept, and digests of the address and body it was sent with.

    What is kept is a digest of the caller and the key: callers never meet in one. Of the request
    that is the first of ``fingerprints``; the others are what it was under earlier secrets.
    """

    key: str
    fingerprints: tuple[bytes, ...]

    @property
    def fingerprint(self) -> bytes:
        return self.fingerprints[0]

    def was_sent_with(self, kept: bytes) -> bool:
        """Whether this is the request of which ``kept`` was kept."""
        return kept in self.fingerprints


async def requested_key(request: Request) -> RequestedKey | None:
    """The key of this request, if it is a POST that has one."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadIdempotencyKey
    # Keyed, for a body may hold a password: nobody who reads the digest can try guesses against it.
    pieces = (request.url.path.encode(), request.url.query.encode(), await request.body())
    said = b"".join(len(piece).to_bytes(8, "big") + piece for piece in pieces)
    signer: Signer = request.state.signer
    caller: Caller = request.state.caller
    name = address_of(request) if caller is ANONYMOUS else caller.name
    kept = hashlib.sha256(f"{name}\n{key}".encode()).hexdigest()
    return RequestedKey(kept, tuple(signer.digests(said)))


SentKey = Annotated[RequestedKey | None, Depends(requested_key)]
