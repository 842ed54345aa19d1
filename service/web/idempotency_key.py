"""The Idempotency-Key header: its syntax, and the request that it belongs to.

Follows draft-ietf-httpapi-idempotency-key-header: the same key with the same request repeats the
response, with another request it is an error.
"""

import hashlib
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from service.auth.caller import ANONYMOUS, Caller, address_of
from service.core.errors import BadRequest, Refused
from service.core.signing import Signer

REPLAYED = "Idempotency-Replayed"


class BadIdempotencyKey(BadRequest):
    code, title = "bad_idempotency_key", "Idempotency-Key is not valid"
    detail = "Send 1 to 255 printable ASCII characters, a fresh UUID for example."


class KeyReused(Refused):
    code, title = "idempotency_key_reused", "Idempotency-Key was used for another request"
    detail = "Send a new request with a new key."


class RequestedKey(NamedTuple):
    """A key as it is stored, and digests of the path and body of its request.

    The stored key is a digest of caller and key, so that callers never share one. The first of
    ``fingerprints`` is stored; the others are those under earlier secrets.
    """

    key: str
    fingerprints: tuple[bytes, ...]

    @property
    def fingerprint(self) -> bytes:
        return self.fingerprints[0]

    def was_sent_with(self, stored: bytes) -> bool:
        """Return whether ``stored`` is a fingerprint of this request."""
        return stored in self.fingerprints


async def requested_key(request: Request) -> RequestedKey | None:
    """Return the key of this request, if it is a POST that has one."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise BadIdempotencyKey
    # Keyed digests, because a body may hold a password, which a plain digest lets readers guess.
    parts = (request.url.path.encode(), request.url.query.encode(), await request.body())
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    signer: Signer = request.state.signer
    caller: Caller = request.state.caller
    name = address_of(request) if caller is ANONYMOUS else caller.name
    stored = hashlib.sha256(f"{name}\n{key}".encode()).hexdigest()
    return RequestedKey(stored, tuple(signer.digests(message)))


SentKey = Annotated[RequestedKey | None, Depends(requested_key)]
