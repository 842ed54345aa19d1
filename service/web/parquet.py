"""Parquet files, where the library for them is installed."""

import io
from typing import Any

from typing_extensions import override

from service.core.errors import ServiceError


class ParquetNotInstalled(ServiceError):
    status, code, title = 501, "parquet_not_installed", "This service cannot write Parquet"
    detail = (
        "Request another format, or ask the operator to install polystore[export], which has the "
        "library."
    )


class DrainedFile(io.RawIOBase):
    """A file that returns and forgets what was written since the last drain; it only grows."""

    def __init__(self) -> None:
        super().__init__()
        self._chunks: list[bytes] = []
        self._size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._size

    @override
    def write(self, chunk: Any) -> int:
        self._chunks.append(bytes(chunk))
        self._size += len(chunk)
        return len(chunk)

    def drain(self) -> bytes:
        drained = b"".join(self._chunks)
        self._chunks.clear()
        return drained
