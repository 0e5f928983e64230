"""What a killed owner left is ended by what was remembered, and nothing else is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from local_stack.cli import app
from local_stack.running.orphans import SERVICES, end_orphans, remember

# Starts a process, remembers it, and dies as by kill -9 once it is asked to.
OWNER = """
import os, signal, subprocess, sys
from pathlib import Path
from local_stack.running.orphans import SERVICES, remember
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
remember(Path(sys.argv[1]), [child.pid], kind=SERVICES)
print(child.pid, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        child = psutil.Process(int(process.stdout.readline()))
        yield process, child
        process.kill()
    if child.is_running():
        child.kill()


def killed(process: subprocess.Popen[str]) -> None:
    process.communicate("now\n")


def lives(child: psutil.Process) -> bool:
    """Say whether it runs; one that ended may wait for init to notice."""
    return child.is_running() and child.status() != psutil.STATUS_ZOMBIE


def test_a_killed_owner_leaves_nothing(owner, tmp_path: Path) -> None:
    process, child = owner
    killed(process)
    assert lives(child)
    assert end_orphans(tmp_path, kind=SERVICES) == 1
    assert not lives(child)
    assert end_orphans(tmp_path, kind=SERVICES) == 0


def test_down_ends_what_a_killed_demo_left_beside_the_stack(owner, tmp_path: Path) -> None:
    process, child = owner
    killed(process)
    done = CliRunner().invoke(app, ["down", "--dir", str(tmp_path.parent / "default")])
    assert done.exit_code == 0
    assert "Ended 1 processes that a killed demo left" in done.output
    assert f"local-stack down --dir {tmp_path}" in done.output.replace("\n", "")
    assert not lives(child)


def test_an_owner_that_nobody_has_reaped_is_dead(owner, tmp_path: Path) -> None:
    process, child = owner
    assert process.stdin
    process.stdin.write("now\n")
    process.stdin.flush()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
    assert end_orphans(tmp_path, kind=SERVICES) == 1
    assert not lives(child)


def test_what_a_living_owner_runs_is_left_alone(owner, tmp_path: Path) -> None:
    _, child = owner
    assert end_orphans(tmp_path, kind=SERVICES) == 0
    assert lives(child)


def test_another_process_with_the_same_id_is_left_alone(owner, tmp_path: Path) -> None:
    process, child = owner
    killed(process)
    known = json.loads((tmp_path / SERVICES).read_text())
    known["processes"][0]["created"] -= 1
    (tmp_path / SERVICES).write_text(json.dumps(known))
    assert end_orphans(tmp_path, kind=SERVICES) == 0
    assert lives(child)


def test_a_folder_that_was_deleted_keeps_nobody_from_ending(tmp_path: Path) -> None:
    remember(tmp_path / "gone", [os.getpid()])
    assert end_orphans(tmp_path / "gone") == 0
