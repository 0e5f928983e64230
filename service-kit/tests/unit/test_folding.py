"""What repeats is folded; what is a fact of its own never is."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog

from service_kit.observing import folding
from service_kit.observing.folding import FoldRepeats
from service_kit.observing.logs import configure_logging, get_logger


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clean_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured() -> Clock:
    """Log as a service does, by a clock of the test's own."""
    configure_logging("example")
    (handler,), clock = logging.getLogger().handlers, Clock()
    (fold,) = handler.filters
    assert isinstance(fold, FoldRepeats)
    handler.filters[:] = [FoldRepeats(every=timedelta(seconds=60), clock=clock)]
    return clock


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_library_says_the_same_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = configured()
    library = logging.getLogger("aiokafka.conn")
    for second in range(61):
        clock.now = float(second)
        for node in range(100):
            library.error("Unable connect to node with id %s", node)
            library.error(f"Request {second}.{node} failed at 0x{node:x}")
    first, other, again, _ = said(capsys)
    assert (first["event"], other["event"]) == (
        "Unable connect to node with id 0",
        "Request 0.0 failed at 0x0",
    )
    assert "repeated" not in first
    assert again["repeated"] == 5_999


def test_other_errors_and_information_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    library = logging.getLogger("library")
    for _ in range(2):
        library.info("told twice")
        for error in (OSError("a"), ValueError("b")):
            library.error("it broke", exc_info=error)
    assert [line["event"] for line in said(capsys)].count("told twice") == 2
    library.error("it broke")
    assert len(said(capsys)) == 1


def test_waiting_for_a_dependency_is_said_once_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    clock, log = configured(), get_logger("ours")
    for number in range(1000):
        for dependency in ("kafka", "valkey"):
            log.warning("waiting", dependency=dependency, record=number)
    assert [line["dependency"] for line in said(capsys)] == ["kafka", "valkey"]
    clock.now = 60.0
    log.warning("waiting", dependency="kafka")
    assert [line["repeated"] for line in said(capsys)] == [999]


def test_facts_are_never_folded(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log = get_logger("ours")
    for number in range(100):
        log.warning("record moved to the dead letters", record=f"matches[0]@{number}")
    assert len(said(capsys)) == 100


def test_kinds_without_end_take_no_memory_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    fold = FoldRepeats(clock=Clock())
    for number in range(5_000):
        text = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        fold.filter(logging.LogRecord("library", logging.ERROR, "", 0, text, None, None))
    assert len(fold._said) <= folding._MOST_KINDS
