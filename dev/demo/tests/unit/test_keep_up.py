"""A service that ended starts again, one that never stays up is left alone, a server gets its command."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attendance_demo.deployment import Service
from attendance_demo.errors import ServiceFailed
from attendance_demo.keep_up import MOST_QUICK_ENDS, QUICK_SECONDS, Keeper
from local_stack.running.status import Phase, ServiceState, ServiceStatus, StackStatus

ALL_WELL = StackStatus(Phase.RUNNING, 1, ())
KAFKA_IS_DEAD = StackStatus(
    Phase.RUNNING,
    1,
    (ServiceStatus("kafka", ServiceState.CRASHED, None, (1,), None, "kafka was killed by signal 9.", "log"),),
)


class Shift:
    """A deployment of one real process, which sleeps until it is killed."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.starts = 0
        self.services: dict[str, Service] = {}
        self.start_again("ingest")

    def start_again(self, name: str) -> None:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        self.services[name] = Service(name, 1, self.log, process)
        self.starts += 1

    def kill(self) -> None:
        self.services["ingest"].kill()


class Desk:
    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.stack = ALL_WELL
        self.shift = Shift(folder / "ingest.log")
        self.keeper = Keeper(
            self.shift,  # type: ignore[arg-type]
            lambda: self.stack,
            folder,
            self.said.append,
            lambda: self.now,
        )

    def look(self, after: float = 0.0) -> None:
        self.now += after
        self.keeper.look()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.shift.kill()


def test_a_killed_service_starts_again_and_a_line_says_so(desk: Desk) -> None:
    desk.look()
    desk.shift.kill()
    desk.look(QUICK_SECONDS)
    assert desk.said == ["ingest was killed by signal 9; it starts again in 1 s"]
    desk.look(0.5)
    assert desk.shift.starts == 1
    desk.look(0.5)
    assert desk.shift.starts == 2
    desk.look(60)
    assert len(desk.said) == 1
    desk.keeper.check()


def test_a_service_that_ends_again_and_again_is_left_alone(desk: Desk) -> None:
    desk.look()
    for _ in range(MOST_QUICK_ENDS):
        desk.shift.kill()
        desk.look()
        desk.look(16)
    assert [line.rpartition(" in ")[2] for line in desk.said[:-1]] == ["1 s", "2 s", "4 s", "8 s"]
    assert str(desk.shift.log) in desk.said[-1]
    assert "Ctrl-C" in desk.said[-1]
    desk.look(600)
    assert desk.shift.starts == MOST_QUICK_ENDS
    with pytest.raises(ServiceFailed, match="does not stay up"):
        desk.keeper.check()


def test_ends_that_lie_apart_are_forgiven(desk: Desk) -> None:
    desk.look()
    for _ in range(MOST_QUICK_ENDS + 1):
        desk.shift.kill()
        desk.look(QUICK_SECONDS)
        desk.look(1)
    assert desk.shift.starts == MOST_QUICK_ENDS + 2


def test_a_crashed_server_gets_the_command_that_brings_it_back_once(desk: Desk, tmp_path: Path) -> None:
    for stack in (KAFKA_IS_DEAD, KAFKA_IS_DEAD, ALL_WELL, KAFKA_IS_DEAD):
        desk.stack = stack
        desk.look()
    line = desk.said[0]
    assert line.startswith("kafka was killed by signal 9. This brings it back: ")
    assert line.endswith(f"/local-stack start kafka --dir {tmp_path}")
    assert desk.said == [line, line]
