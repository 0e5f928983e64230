"""Plays the morning: every kiosk sends its captures in order, several kiosks at the same time."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from uuid import UUID

from attendance_demo.scene.kiosk import Answer, Kiosk, Shot
from attendance_demo.scene.morning import Morning, Planned

SHOWN_WITHIN_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Played:
    """A capture that was sent, and what ingest answered to its first sending."""

    planned: Planned
    shot: Shot
    answer: Answer


@dataclass(slots=True)
class Run:
    """What was played so far. `show` is told each result that a person at a kiosk would see."""

    kiosks: Mapping[str, Kiosk]
    show: Callable[[Planned, dict[str, object] | None], None]
    played: list[Played] = field(default_factory=list)

    async def play(self, morning: Morning) -> None:
        """Play it whole: what was kept from earlier, then live, with the offline kiosk beside it."""
        await self._by_kiosk(morning.earlier, live=False)
        self.kiosks["yard"].boot_id = "boot-1"
        shots = [self._take(planned) for planned in morning.offline]
        self.kiosks["yard"].boot_id = "boot-2"  # power was cut too, so its clock is all that is left
        await asyncio.gather(self._send_all(shots), self._by_kiosk(morning.live, live=True))

    async def _by_kiosk(self, plan: Iterable[Planned], *, live: bool) -> None:
        ordered = sorted(plan, key=lambda planned: planned.kiosk)
        await asyncio.gather(
            *(
                self._one_kiosk(list(captures), live=live)
                for _, captures in groupby(ordered, key=lambda planned: planned.kiosk)
            )
        )

    async def _one_kiosk(self, plan: Iterable[Planned], *, live: bool) -> None:
        for planned in plan:
            shot, answer = await self._send(planned, self._take(planned)[1])
            if live:
                await self._result(planned, shot.capture_id, answer)

    async def _send_all(self, shots: Iterable[tuple[Planned, Shot]]) -> None:
        for planned, shot in shots:
            await self._send(planned, shot)

    def _take(self, planned: Planned) -> tuple[Planned, Shot]:
        captured_at = planned.captured_at or datetime.now(UTC)
        return planned, self.kiosks[planned.kiosk].take(planned.image, captured_at, planned.direction)

    async def _send(self, planned: Planned, shot: Shot) -> tuple[Shot, Answer]:
        kiosk = self.kiosks[planned.kiosk]
        answer = await kiosk.send(shot)
        for _ in range(planned.times - 1):
            await kiosk.send(shot)
        self.played.append(Played(planned, shot, answer))
        return shot, answer

    async def _result(self, planned: Planned, capture_id: UUID, answer: Answer) -> None:
        if not answer.accepted:
            self.show(planned, {"outcome": "REFUSED", "reason": answer.body.get("detail")})
        elif planned.what == "damaged photo":
            self.show(planned, None)  # nobody waits in front of it: its verdict is a dead letter
        else:
            result = await self.kiosks[planned.kiosk].result(capture_id, SHOWN_WITHIN_SECONDS)
            self.show(planned, result)
