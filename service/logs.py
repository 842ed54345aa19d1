"""Logs: one JSON object a line, or colours for people; each line names its request."""

import logging

import structlog
from structlog.typing import EventDict, WrappedLogger

from service.request_id import current_request_id


def _name_request(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    request_id = current_request_id()
    if request_id:
        event["request_id"] = request_id
    return event


def configure_logs(*, level: str, as_json: bool) -> None:
    """For the process's start. JSON escapes what could forge a second line."""
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_request,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
