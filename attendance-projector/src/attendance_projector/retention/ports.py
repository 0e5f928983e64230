"""What retention needs of the read model, by role."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from attendance_projector.domain.retention import Retention


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a table.

    `kept_with`: whose number of months counts. `is_pending`: its detaching was begun and not ended.
    """

    kept_with: str
    parent: str
    child: str
    month: date
    is_attached: bool
    is_pending: bool
    row_estimate: int
    bytes: int


class MonthlyTables(Protocol):
    """The tables of which there is a part for each month; nothing is open between calls."""

    @property
    def archive_name(self) -> str:
        """Where `archive` puts months."""

    async def retention(self) -> Retention:
        """Return what is kept so far."""

    async def open_from(self, final_before: date | None, before: date | None = None) -> date | None:
        """Return the first date that payroll has not closed everywhere; None where none is ever closed.

        final_before: earlier dates are past closing; None: none are. before: so far it looks at least; None:
        at all dates.
        """

    async def months(self, retention: Retention) -> Sequence[Month]:
        """Return the months that are not to be kept, oldest first, also detached ones that were left."""

    async def move(self, wanted: Callable[[], Awaitable[Retention]]) -> tuple[Retention, int]:
        """Keep what is wanted, from now on; return it, and how many badge punches will never count.

        Waits for all who compute days, then asks what is wanted: no period is opened again meanwhile.
        Afterwards nobody writes into older months, or makes them again.
        """

    async def detach(self, month: Month) -> None:
        """Take a month out of its table without blocking readers; what was begun is ended."""

    async def drop(self, month: Month) -> None:
        """Drop a detached month."""

    async def archive(self, month: Month) -> None:
        """Put a detached month where no service reads it."""
