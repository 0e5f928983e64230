"""Traces across processes: spans, and the record headers that carry them through Kafka.

Headers: `traceparent` (W3C Trace Context), `correlation-id`, `producer` (the service that published the
record).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service_kit.observing.logs import bind_correlation_id, correlation_id

TRACEPARENT = "traceparent"
CORRELATION_ID = "correlation-id"
PRODUCER = "producer"
# Source: OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP".
TRACES_PATH = "/v1/traces"

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str, exporter_endpoint: str | None = None) -> None:
    """Name this process in traces; export its spans to an OTLP/HTTP collector, if any. Once per process."""
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    if exporter_endpoint is not None:
        exporter = OTLPSpanExporter(endpoint=traces_url(exporter_endpoint))
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def traces_url(endpoint: str) -> str:
    """Return where spans go, of the base URL that collectors document, as OTEL_EXPORTER_OTLP_ENDPOINT does.

    A URL that ends in that path already is meant as it is.
    """
    base = endpoint.rstrip("/")
    return base if base.endswith(TRACES_PATH) else f"{base}{TRACES_PATH}"


def tracer(name: str) -> trace.Tracer:
    """Give the tracer of a module."""
    return trace.get_tracer(name)


def inject_headers(headers: Iterable[tuple[str, bytes]] = ()) -> list[tuple[str, bytes]]:
    """Give `headers` with the trace, correlation id and producer of the current context added or replaced.

    A correlation id is made up when the context has none.
    """
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    carrier[CORRELATION_ID] = correlation_id.get() or str(uuid.uuid4())
    if (service := _service_name()) is not None:
        carrier[PRODUCER] = service
    kept = [(name, value) for name, value in headers if name not in carrier]
    return kept + [(name, value.encode()) for name, value in carrier.items()]


@contextmanager
def extract_context(headers: Iterable[tuple[str, bytes]]) -> Iterator[None]:
    """Continue, inside the block, the trace and the correlation id that a record's headers carry."""
    carrier = {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}
    token = otel_context.attach(_PROPAGATOR.extract(carrier))
    try:
        with ExitStack() as stack:
            if value := carrier.get(CORRELATION_ID):
                stack.enter_context(bind_correlation_id(value))
            yield
    finally:
        otel_context.detach(token)


def _service_name() -> str | None:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        return None
    name = provider.resource.attributes.get(SERVICE_NAME)
    return str(name) if name is not None else None
