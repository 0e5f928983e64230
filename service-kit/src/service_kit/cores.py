"""How much of the machine a process may use: a container may have less than its machine."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Return how many cores this process may use at once: of those it may run on, what its container has."""
    allowed = len(os.sched_getaffinity(0))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except OSError:  # cgroup v1, or none
        try:
            quota, period = (
                (cgroup / "cpu" / f"cpu.cfs_{each}_us").read_text() for each in ("quota", "period")
            )
        except OSError:
            return allowed
    if quota.strip() in ("max", "-1"):
        return allowed
    return max(1, min(allowed, int(quota) // int(period)))
