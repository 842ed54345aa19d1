"""Ids of server-sent events: resume tokens of the change stream, signed."""

import base64
import binascii

from service.core.errors import BadRequest
from service.core.signing import SIGNATURE_BYTES, Signer
from service.stores.mongo.change_streams import Token

_PURPOSE = b"predictions/tail\0"


class BadEventId(BadRequest):
    code, title = "bad_event_id", "The event id was not issued by this service"
    detail = "Send the id of the last event unchanged, or none to start now."


class ResumeTokens:
    """Convert resume tokens to signed text and back."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def write(self, token: Token) -> str:
        """Return the event id of a token."""
        position = bytes.fromhex(token["_data"])
        signature = self._signer.sign(_PURPOSE + position)
        return base64.urlsafe_b64encode(signature + position).decode().rstrip("=")

    def read(self, event_id: str) -> Token:
        """Return the token of an event id.

        Raises:
            BadEventId: the signature is wrong.
        """
        try:
            padding = "=" * (-len(event_id) % 4)
            raw = base64.b64decode(
                event_id.encode("ascii") + padding.encode(), b"-_", validate=True
            )
        except (binascii.Error, UnicodeError) as error:
            raise BadEventId from error
        signature, position = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not self._signer.verify(signature, _PURPOSE + position):
            raise BadEventId
        return {"_data": position.hex().upper()}
