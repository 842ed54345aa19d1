"""Logs: one JSON object a line, or colours for a terminal; each line names its request."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from service.core.request_id import current_request_id


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = current_request_id()
    if request_id:
        event["request_id"] = request_id
    return event


def configure_logging(*, level: str, as_json: bool | None) -> None:
    """Configure structlog for the process; ``as_json`` of None means JSON unless on a terminal.

    JSON also escapes what could forge a second line.
    """
    as_json = not sys.stdout.isatty() if as_json is None else as_json
    # Tracebacks without the values of variables, which would be long, slow and full of secrets.
    renderers: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_request_id,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
    )
