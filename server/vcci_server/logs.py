"""Structured logs on stderr: JSON, or a console form on a terminal; each line of a call has its request id.

All is written through `logging`, fields as its `extra`, and formatted by structlog. Tracebacks show no local variables,
which may hold tokens and customers' data.
"""

import logging
import sys
from contextvars import ContextVar

from structlog import dev, processors, stdlib, tracebacks
from structlog.typing import EventDict, Processor, WrappedLogger

request_id: ContextVar[str] = ContextVar("request_id", default="")


def configure(log_format: str, level: str) -> None:
    """Send the logs of this process to stderr; `auto` chooses the form by whether that is a terminal."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                _add_request_id,
                stdlib.add_log_level,
                stdlib.add_logger_name,
                processors.TimeStamper(fmt="iso", utc=True),
                stdlib.ExtraAdder(),
            ],
            processors=[stdlib.ProcessorFormatter.remove_processors_meta, *(_for_people() if console else _json())],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def _for_people() -> list[Processor]:
    return [dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=dev.plain_traceback)]


def _json() -> list[Processor]:
    transform = tracebacks.ExceptionDictTransformer(show_locals=False)
    return [processors.ExceptionRenderer(transform), processors.JSONRenderer()]


def _add_request_id(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    if identifier := request_id.get():
        event["request_id"] = identifier
    return event
