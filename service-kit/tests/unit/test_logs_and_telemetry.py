import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace

from service_kit.observing.logs import bind_correlation_id, configure_logging, correlation_id, get_logger
from service_kit.observing.telemetry import (
    configure_tracing,
    extract_context,
    inject_headers,
    tracer,
    traces_url,
)


@pytest.fixture(scope="module", autouse=True)
def tracing() -> None:
    configure_tracing("tests")


@pytest.fixture
def clean_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_logs_are_json_lines_with_service_and_ids(
    clean_logging: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("example")
    with bind_correlation_id("c1"), tracer("t").start_as_current_span("work"):
        get_logger("ours").info("stored", size=3)
        logging.getLogger("library").warning("retry %s", 7)
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        get_logger("ours").exception("broke")

    ours, library, broke = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (ours["event"], ours["size"], ours["service"]) == ("stored", 3, "example")
    assert (ours["correlation_id"], ours["level"], ours["logger"]) == ("c1", "info", "ours")
    assert len(ours["trace_id"]) == 32
    assert library["event"] == "retry 7"
    assert library["correlation_id"] == "c1"
    assert "ZeroDivisionError" in broke["exception"]
    assert "correlation_id" not in broke


def test_trace_and_correlation_travel_in_headers() -> None:
    with bind_correlation_id("c2"), tracer("t").start_as_current_span("send") as sent:
        headers = inject_headers([("content", b"1"), ("correlation-id", b"stale")])
        trace_id = sent.get_span_context().trace_id
    names = [name for name, _ in headers]
    assert sorted(names) == ["content", "correlation-id", "producer", "traceparent"]
    assert dict(headers)["producer"] == b"tests"

    assert correlation_id.get() is None
    with extract_context(headers), tracer("t").start_as_current_span("receive") as received:
        assert correlation_id.get() == "c2"
        assert received.get_span_context().trace_id == trace_id
    assert correlation_id.get() is None
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_record_without_ids_gets_new_ones() -> None:
    first, second = dict(inject_headers()), dict(inject_headers())
    assert first["correlation-id"] != second["correlation-id"]
    with extract_context([("traceparent", b"\xff nonsense")]):
        assert correlation_id.get() is None


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://traces.example/otlp", "https://traces.example/otlp/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
    ],
)
def test_the_base_url_of_a_collector_is_enough(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url
