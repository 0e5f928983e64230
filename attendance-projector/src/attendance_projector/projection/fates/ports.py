"""Where fates are kept."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from attendance_projector.projection.fates.stored import (
    AwaitedFact,
    DeadFact,
    ErasedPerson,
    Erasure,
    FateKey,
)


class Fates(Protocol):
    """What became of what was accepted, where the rows of facts do not say it."""

    async def settle(self, keys: Collection[FateKey]) -> None:
        """Nothing is awaited of these any more."""

    async def expect(self, awaited: Sequence[AwaitedFact]) -> None:
        """Await the decisions on these, unless they are there already."""

    async def store_dead(self, dead: Sequence[DeadFact]) -> None:
        """Store dead letters; of one fact the newest."""

    async def store_erasures(self, erasures: Sequence[Erasure]) -> None:
        """Store what is to be erased."""

    async def store_erased(self, people: Sequence[ErasedPerson]) -> None:
        """Store until when people are erased; of one person the latest."""

    async def forget_dead(self, before: datetime) -> None:
        """Forget the dead letters that were set aside before an instant."""
