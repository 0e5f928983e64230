"""How many cores a container's quota leaves, as version 1 and 2 of cgroups write it."""

import os
from pathlib import Path

import pytest

from service_kit.cores import usable_cores

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("written", "cores"),
    [
        ("max 100000", ALLOWED),
        ("100000 100000", 1),
        ("150000 100000", 1),
        ("20000 100000", 1),
        ("99900000 100000", ALLOWED),
    ],
)
def test_the_quota_of_version_2_counts(tmp_path: Path, written: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(f"{written}\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", ALLOWED), ("100000", 1), ("50000", 1)])
def test_the_quota_of_version_1_counts(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


def test_without_a_quota_it_is_all_that_the_process_may_use(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == ALLOWED
