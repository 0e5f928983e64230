"""The tables show what a reader expects of a clock: the nearest second, not the one before."""

import io

import pytest
from rich.console import Console

from attendance_demo.show import attendance_table

DAY = {
    "attendance_on": "2026-03-02", "display_name": "Asha", "person_id": "p-1", "shift_id": "day-1",
    "status": "PRESENT", "last_out_at": None, "worked_minutes": 490, "late_minutes": 0, "late": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        ("2026-03-02T02:39:59.996000+00:00", "08:10:00"),
        ("2026-03-02T02:40:00.004000+00:00", "08:10:00"),
        ("2026-03-02T02:39:59.400000+00:00", "08:09:59"),
    ],
)
def test_an_instant_is_shown_to_the_nearest_second(instant: str, shown: str) -> None:
    console = Console(width=120, file=io.StringIO())
    console.print(attendance_table([DAY | {"first_in_at": instant}], "Asia/Kolkata"))
    assert isinstance(console.file, io.StringIO)
    row = console.file.getvalue().rstrip().splitlines()[-1]
    assert row.split()[-2:] == [shown, "8:10"]
