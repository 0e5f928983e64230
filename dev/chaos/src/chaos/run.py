"""The rounds of a run: harm under load, then silence, and the auditor's verdict on all that was sent."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from chaos.plan import Harm, rounds
from chaos.scene import Scene

ANSWERED_WITHIN_SECONDS = 180.0
# Check-ins and corrections that are answered in a round before its harm begins, so that it meets load.
FLOWING_COUNT = 20
Say = Callable[[str], None]
Plan = Callable[[int, int], Iterator[list[Harm]]]


@dataclass(frozen=True, slots=True)
class Round:
    """A round that is over: what was done, and how long it took until all was well again."""

    number: int
    harms: list[Harm]
    seconds: float
    settled_seconds: float
    verdict: Mapping[str, Any]

    def __str__(self) -> str:
        counts = " ".join(f"{name}={value}" for name, value in self.verdict.items() if name != "findings")
        harms = "; ".join(map(str, self.harms))
        took = f"{self.seconds:.1f} s, settled {self.settled_seconds:.1f} s"
        return f"round {self.number}: {harms}: {took}: {counts}"


@dataclass(slots=True)
class Report:
    """All rounds, and the services that ended by themselves."""

    seed: int
    rounds: list[Round] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    tries: int = 0
    answers: int = 0
    # Records that each failover took from the tables; the projector has to read them again.
    lacked: list[int] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether the last verdict has no finding and nothing ended by itself."""
        return bool(self.rounds) and not self.rounds[-1].verdict["findings"] and not self.ended


async def run_rounds(scene: Scene, seed: int, count: int, say: Say, plan: Plan = rounds) -> Report:
    """Do `count` rounds; end at the first one with findings, or after which a service had ended by itself."""
    report = Report(seed)
    for number, harms in enumerate(plan(seed, count), start=1):
        began = time.monotonic()
        scene.traffic.start()
        with suppress(TimeoutError):
            await scene.traffic.flows(FLOWING_COUNT, ANSWERED_WITHIN_SECONDS)
        await scene.harms.do(harms)
        healed = time.monotonic()
        # What has no answer by then is a finding of the auditor.
        with suppress(TimeoutError):
            await scene.traffic.pause(ANSWERED_WITHIN_SECONDS)
        verdict = await scene.audit()
        ended = time.monotonic()
        report.rounds.append(Round(number, harms, ended - began, ended - healed, verdict))
        report.ended, report.lacked = list(scene.harms.ended), list(scene.harms.lacked)
        report.tries, report.answers = scene.traffic.tries, scene.traffic.answers
        say(str(report.rounds[-1]))
        if not report.is_well:
            break
    return report
