"""`make demo ONCE=1` as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

LAST_LINE = re.compile(
    r"^demo ok: enrolled=2 captures=\d+ identified=\d+ review=\d+ unknown=\d+ refused=\d+ resent=2 days=\d+ "
    r"lost=0 double_counted=0 p50_ms=\d+ p99_ms=\d+$",
    re.MULTILINE,
)


def test_demo_verifies_itself(stack_control, tmp_path: Path):
    run = subprocess.run(
        [sys.executable, "-m", "attendance_demo", "--once", "--dir", tmp_path / "demo"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert LAST_LINE.search(run.stdout), run.stdout
    assert "somebody_else=0" in run.stdout
