"""Hear the auditor, who knows what was sent and asks the query API alone."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


class AuditorFailed(Exception):
    """The auditor's script ended without a verdict; what it printed is the message."""


async def hear_auditor(
    journal: Path, *, url: str, token: str, wait_seconds: float, **variables: str
) -> dict[str, Any]:
    """Run the auditor's script, which imports nothing of this project, and return what it says.

    url, token: of the query API. variables: of the environment, beside this process's own.
    Raises AuditorFailed.
    """
    run = await asyncio.to_thread(
        subprocess.run,
        [
            *(sys.executable, "-m", "chaos.auditor", str(journal)),
            *("--url", url, "--wait", f"{wait_seconds}", "--json"),
        ],
        env={**os.environ, "AUDITOR_TOKEN": token, **variables},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if not run.stdout:
        raise AuditorFailed(run.stderr)
    said: dict[str, Any] = json.loads(run.stdout)
    if run.returncode != bool(said["findings"]):
        raise AuditorFailed(f"it ended with {run.returncode} and said {run.stdout}")
    return said
