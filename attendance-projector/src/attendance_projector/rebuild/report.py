"""What a rebuild is asked for, and what it did."""

import os
from dataclasses import dataclass, field
from datetime import date

from attendance_projector.rebuild.ports import Compared


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. `keep_before`: facts of earlier dates come from the live tables."""

    workers: int = os.cpu_count() or 1
    keep_before: date | None = None
    switch: bool = True
    accept_differences: bool = False


@dataclass(slots=True)
class Report:
    """What a rebuild did. `expired`: records that the log has lost, by partition."""

    records: int = 0
    days: int = 0
    passed_over: int = 0
    peak_memory_mb: int = 0
    expired: dict[str, int] = field(default_factory=dict)
    compared: list[Compared] = field(default_factory=list)
    is_switched: bool = False

    @property
    def differences(self) -> list[Compared]:
        """Tables and months that are not equal."""
        return [each for each in self.compared if not each.is_equal]
