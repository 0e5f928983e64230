"""A lane in use: its gallery, complete and followed, and what its model does in this worker."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from recognition_worker.domain.identity import Person, TemplateId
from recognition_worker.rollout.model_lanes import Lane


class FollowedGallery(Protocol):
    """A lane's gallery, complete and following its topic."""

    @property
    def offsets(self) -> tuple[int, ...]:
        """Return, by partition, where its topic is read on."""
        ...

    async def check(self) -> None:
        """Raise unless it is following."""
        ...

    async def join(self) -> None:
        """Wait for its end, or raise the bug that it died of."""
        ...

    async def stop(self) -> None:
        """Stop following."""
        ...

    async def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        """Return a person's templates of enrolments until an instant, those of all models."""
        ...

    async def came_back(self) -> list[tuple[Person, TemplateId]]:
        """Return templates of erased enrolments that are on the topic now."""
        ...


class LaneState(StrEnum):
    """What a model does in this worker."""

    DECIDING = "deciding"
    SHADOW = "shadow"
    CANARY = "canary"
    LOADING = "loading"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """A model's state, and why when it is not in use."""

    state: LaneState
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OpenLane:
    """A loaded lane. ended: the end of following its gallery."""

    lane: Lane
    gallery: FollowedGallery
    ended: "asyncio.Task[None]"

    async def close(self) -> None:
        """Stop following the gallery."""
        self.ended.cancel()
        await self.gallery.stop()
