"""Download of an artifact: streamed while it is read, as a file that no browser runs."""

import base64
import mimetypes
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from urllib.parse import quote

from fastapi import Request, Response
from typing_extensions import override

from service.documents.artifacts.contents import PART_BYTES, Contents, Transfers
from service.documents.artifacts.documents import ArtifactDocument
from service.documents.artifacts.ranges import ByteRange, requested_range
from service.web.streaming import StreamedResponse

# The types of Python, not those of the machine, so that each process answers the same.
_TYPES = mimetypes.MimeTypes()
BYTES = "application/octet-stream"
# An uploaded page gets no origin and runs nothing, even where it is shown in spite of the
# Content-Disposition. A coding would change the bytes to which a range and a digest belong.
_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache, no-transform",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
}


def content_type(path: str) -> str:
    """Return the media type that the name of a file suggests."""
    kind, coding = _TYPES.guess_type(f"/{path.rpartition('/')[2]}", strict=False)
    return BYTES if kind is None or coding else kind


def etag_of(artifact: ArtifactDocument) -> str:
    """Return the ETag: equal contents are equal files."""
    return f'"{artifact["sha256"]}"'


class ArtifactResponse(StreamedResponse):
    """A file, or one range of it; ``Repr-Digest`` is that of the whole file (RFC 9530)."""

    def __init__(
        self,
        contents: Contents,
        transfers: Transfers,
        artifact: ArtifactDocument,
        part: ByteRange | None,
    ) -> None:
        length = artifact["length"]
        begin, end = part or ByteRange(0, length)
        name = quote(artifact["path"].rpartition("/")[2], safe="")
        digest = base64.b64encode(bytes.fromhex(artifact["sha256"])).decode()
        headers = {
            **_HEADERS,
            "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
            "ETag": etag_of(artifact),
            "Repr-Digest": f"sha-256=:{digest}:",
        }
        super().__init__(content_type(artifact["path"]), headers)
        self.headers["Content-Length"] = str(end - begin)
        if part is not None:
            self.status_code = 206
            self.headers["Content-Range"] = f"bytes {begin}-{end - 1}/{length}"
        assert artifact["file_id"] is not None  # noqa: S101 - ArtifactRepository.get has found it
        self._transfers = transfers
        self._contents, self._file_id = contents, artifact["file_id"]
        self._begin, self._end = begin, end

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        if self._begin == self._end:
            return
        pieces = self._contents.read(self._file_id, self._begin, self._end)
        is_large = self._end - self._begin > PART_BYTES
        async with self._transfers.slot() if is_large else nullcontext(), aclosing(pieces):
            async for piece in pieces:
                yield piece


def respond(request: Request, contents: Contents, artifact: ArtifactDocument) -> Response:
    """Return the response with the file, or with the range that the request wants.

    Raises:
        RangeNotSatisfiable: no byte of the file is in the range.
    """
    part = requested_range(request, etag_of(artifact), artifact["length"])
    return ArtifactResponse(contents, request.state.artifact_transfers, artifact, part)
