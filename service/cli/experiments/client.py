"""Requests on experiments: JSON in pages, a file in parts, an error as a message."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from httpx2 import codes

from service.cli.admin import load_credentials
from service.cli.output import CommandFailed
from service.settings import Settings

PAGE_ITEMS = 200  # the largest page
PART = "polystore-export"  # a name of a folder beside the file, so that nothing is replaced
TIMEOUT_SECONDS = 60.0  # of a part of a response; an export sends its first one late
DEFAULT_TEXT, DEFAULT_ID = "0", "00000000-0000-7000-8000-000000000000"


class RequestFailed(CommandFailed):
    """The service is not reachable, or returned an error."""


class ExperimentClient:
    """Reads experiments and runs of a service, with POLYSTORE_TOKEN or the key of ``serve``."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    @classmethod
    @contextlib.contextmanager
    def connect(cls, url: str | None) -> Iterator["ExperimentClient"]:
        """Connect to ``url``, or to the service that the settings describe.

        Raises:
            RequestFailed: no service responds there, it stopped while it answered, or the response
                is not one of this service.
        """
        settings = Settings()
        token = settings.token and settings.token.get_secret_value()
        base = url or settings.address(settings.port)
        headers = {"Authorization": f"Bearer {token or load_credentials(settings).demo_key}"}
        options: dict[str, Any] = {"timeout": TIMEOUT_SECONDS, "trust_env": False}
        try:
            with httpx2.Client(base_url=base, headers=headers, **options) as client:
                yield cls(client)
        except httpx2.ConnectError as error:
            raise RequestFailed(f"No service responds at {base}. Start it: make serve") from error
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise RequestFailed(f"{base} is no address. Use --url http://host:port") from error
        except httpx2.DecodingError as error:
            raise RequestFailed(_not_ours(base)) from error
        except httpx2.TransportError as error:
            kind = type(error).__name__
            raise RequestFailed(f"The answer of {base} was cut off ({kind}). Repeat it.") from error

    def find(self, text: str) -> dict[str, Any]:
        """Return the experiment of this name, deleted or not, or else of this id.

        An id may be written as MLflow has it: 32 digits, and ``0`` for Default.
        """
        for deleted in ("false", "true"):
            page = self._get("/v1/experiments", name=text, deleted=deleted)
            if page["items"]:
                found: dict[str, Any] = page["items"][0]
                return found
        key = DEFAULT_ID if text == DEFAULT_TEXT else _uuid(text)
        response = key and self._client.get(f"/v1/experiments/{key}")
        if not response or response.status_code == codes.NOT_FOUND:
            raise RequestFailed(f"There is no experiment {text} that you may see.")
        return _object(response, "id")

    def pages(self, path: str, **query: Any) -> Iterator[list[dict[str, Any]]]:
        """Yield the items of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self._get(path, **{"limit": PAGE_ITEMS, **query, **cursor})
            yield page["items"]
            if not page["page"]["has_more"]:
                return
            cursor = {"cursor": page["page"]["next_cursor"]}

    def download(
        self, path: str, file: Path, query: dict[str, str], on_bytes: Callable[[int], None]
    ) -> int:
        """Write a response to a file and return its bytes; no file is left if it is cut off.

        ``on_bytes`` is called with the bytes so far.
        """
        size = 0
        try:
            with (
                self._client.stream("GET", path, params=query) as response,
                tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{PART}") as folder,
            ):
                if response.is_error:
                    response.read()
                part = Path(folder, PART)
                with part.open("wb") as to:
                    for chunk in _checked(response).iter_bytes():
                        size += to.write(chunk)
                        on_bytes(size)
                part.replace(file)
        except OSError as error:
            raise RequestFailed(f"{file} cannot be written: {error.strerror}.") from error
        return size

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        return _object(self._client.get(path, params=query), "items")


def _checked(response: httpx2.Response) -> httpx2.Response:
    if not response.is_error:
        return response
    try:
        message = f"{response.json()['title']}. {response.json()['detail']}"
    except (ValueError, KeyError, TypeError):
        message = response.text[:200]
    if response.status_code in (codes.UNAUTHORIZED, codes.FORBIDDEN):
        message += " An administrator's token: export POLYSTORE_TOKEN=$(polystore token)"
    raise RequestFailed(message)


def _object(response: httpx2.Response, field: str) -> dict[str, Any]:
    """Return the JSON object of a success; raise RequestFailed if it is none with this field."""
    try:
        found = _checked(response).json()
    except ValueError:
        found = None
    if not isinstance(found, dict) or field not in found:
        raise RequestFailed(_not_ours(str(response.url)))
    return found


def _not_ours(url: str) -> str:
    return f"{url} is not an address of this service: its response is not as expected. Check --url."


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
