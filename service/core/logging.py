"""Logs: one JSON object a line, or colours for a terminal; each line names its request."""

import logging
import sys
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from typing_extensions import override

from service.core.request_id import current_request_id


def _add_request_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = current_request_id()
    if request_id:
        event["request_id"] = request_id
    return event


class _ToStructlog(logging.Handler):
    """Logs what a library logs as one line of ours."""

    def __init__(self) -> None:
        super().__init__()
        self._log = structlog.get_logger()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = " ".join(record.getMessage().split())
        self._log.log(record.levelno, text, logger=record.name)


def configure_logging(*, level: str, as_json: bool | None, loggers: Iterable[str] = ()) -> None:
    """Configure structlog for the process; ``as_json`` of None means JSON unless on a terminal.

    JSON also escapes what could forge a second line. ``loggers`` are those of libraries that log
    through structlog as well.
    """
    for name in loggers:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_ToStructlog()], False
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
