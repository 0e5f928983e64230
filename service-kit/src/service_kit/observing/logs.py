"""JSON logs with a correlation id: one line per event on standard error, the libraries' lines included."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import cast

import structlog
from opentelemetry import trace
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from service_kit.observing.folding import FoldRepeats

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)

# These repeat at INFO what the services already say, or write a line per request.
_CHATTY = ("aiokafka", "httpx", "httpcore", "urllib3", "uvicorn.access")


@contextmanager
def bind_correlation_id(value: str) -> Iterator[None]:
    """Make `value` the correlation id of every log line and outgoing record inside the block."""
    token = correlation_id.set(value)
    try:
        yield
    finally:
        correlation_id.reset(token)


def configure_logging(service: str, level: str = "INFO", json: bool = True) -> None:
    """Send the logs of this process, structlog's and the standard library's, to standard error."""

    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        add_service,
        _add_ids,
    ]
    renderer: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(FoldRepeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> FilteringBoundLogger:
    """Give a logger: `log.info("what happened", key=value)`."""
    return cast(FilteringBoundLogger, structlog.stdlib.get_logger(name))


def _add_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if (value := correlation_id.get()) is not None:
        event["correlation_id"] = value
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
    return event
