"""Range requests (RFC 9110, 14): which bytes of a file a request wants."""

import re
from typing import NamedTuple

from fastapi import Request

from service.core.errors import ServiceError
from service.web.middleware.head_requests import HEAD_ONLY

_BYTES = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.IGNORECASE)


class RangeNotSatisfiable(ServiceError):
    status, code, title = 416, "range_not_satisfiable", "Range lies behind the end of the file"
    detail = "Request bytes before the length that Content-Range names."


class ByteRange(NamedTuple):
    """The bytes from ``begin`` to before ``end``."""

    begin: int
    end: int


def requested_range(request: Request, etag: str, length: int) -> ByteRange | None:
    """Return the range that a request wants; None for the whole file.

    Several ranges, other units and ranges that cannot be read are answered with the whole file, as
    is a range for another version (If-Range). A date in If-Range is never that of this version,
    because two contents may have one date. HEAD has no range (RFC 9110, 14.2).

    Raises:
        RangeNotSatisfiable: no byte of the file is in it.
    """
    header = request.headers.get("range")
    if header is None or request.scope.get(HEAD_ONLY):
        return None
    if request.headers.get("if-range", etag).strip() != etag:
        return None
    found = _BYTES.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        begin = int(found[1])
        end = min(int(found[2]) + 1, length) if found[2] else length
        if found[2] and int(found[2]) < begin:
            return None
    else:
        begin, end = max(length - int(found[2]), 0), length
    if begin >= end:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{length}"})
    return ByteRange(begin, end)
