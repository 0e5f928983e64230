"""What other commands learn of the demo that runs, and of the kiosk that they use."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

from attendance_demo.end_demo import end_demo
from attendance_demo.errors import DemoError, NoDemoRuns
from attendance_demo.running import RunningDemo, demo_process, holding, metadata, running_demo, tell

FIRST, SECOND = UUID(int=1), UUID(int=2)


def test_kiosk_numbers_its_captures_and_repeats_the_last(tmp_path: Path) -> None:
    with holding(tmp_path):
        tell(tmp_path, RunningDemo("acme-1", device_sequence=6))
        first = metadata(tmp_path, FIRST)
        again = metadata(tmp_path, FIRST)
        second = metadata(tmp_path, SECOND)
    assert (first["capture_id"], first["device_sequence"]) == (str(FIRST), 7)
    assert {**again, "device_now": ""} == {**first, "device_now": ""}
    assert (second["capture_id"], second["device_sequence"]) == (str(SECOND), 8)


def test_demo_that_ended_or_was_killed_is_not_running(tmp_path: Path) -> None:
    with holding(tmp_path):
        tell(tmp_path, RunningDemo("acme-1", device_sequence=0))
        assert running_demo(tmp_path).org_id == "acme-1"
    with pytest.raises(NoDemoRuns, match="make demo"):
        running_demo(tmp_path)
    tell(tmp_path, RunningDemo("acme-1", device_sequence=0))  # SIGKILL leaves the file, and no lock
    with pytest.raises(NoDemoRuns):
        metadata(tmp_path, FIRST)


def test_demo_is_known_by_its_process_while_it_runs(tmp_path: Path) -> None:
    assert demo_process(tmp_path) is None
    with holding(tmp_path):
        assert demo_process(tmp_path) == os.getpid()
        assert demo_process(tmp_path) == os.getpid()
    assert demo_process(tmp_path) is None
    (tmp_path / "demo.pid").write_text("1\n")  # SIGKILL leaves the file, and no lock
    assert demo_process(tmp_path) is None
    assert not end_demo(tmp_path)


def test_a_demo_that_ends_while_it_is_to_be_ended_is_no_error(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with holding(tmp_path):
        (tmp_path / "demo.pid").write_text(f"{ended.pid}\n")
        ending = threading.Thread(target=end_demo, args=[tmp_path])
        ending.start()
        ending.join(timeout=0.3)
        assert ending.is_alive()  # it waits until the demo has left its folder
    ending.join(timeout=10)
    assert not ending.is_alive()


def test_second_demo_in_a_folder_is_refused(tmp_path: Path) -> None:
    with holding(tmp_path), pytest.raises(DemoError, match="another demo runs"), holding(tmp_path):
        pass
