"""A runner waits for what is away, says what is wrong once, and ends with what it knows."""

import asyncio
from datetime import timedelta
from uuid import UUID

from attendance_ops.archive.rounds import Told
from attendance_ops.archive.serve import _Served
from service_kit.archive.manifest import Contents, Gap, Manifest, Series
from service_kit.errors import TransientFailure

SERIES = Series(topic="t", topic_id=UUID(int=1), cluster_id="c", partition=0)


class Rounds:
    """Two outages, then a round with a problem, then one without."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_over = asyncio.Event()

    async def round(self) -> Told:
        self.asked += 1
        if self.asked in (1, 2):
            raise TransientFailure("kafka", "away")
        if self.asked == 4:
            self.is_over.set()
        return Told(problems={"t[0]": "ends before"} if self.asked == 3 else {})


async def test_outages_are_waited_for_and_rounds_go_on() -> None:
    served, rounds, checked = _Served(), Rounds(), []

    async def check() -> None:
        checked.append(1)
        if len(checked) == 1:
            raise TransientFailure("object-store", "away")

    working = asyncio.create_task(served.work(rounds, check, timedelta(0)))
    async with asyncio.timeout(30):
        await rounds.is_over.wait()
    working.cancel()
    assert (len(checked), rounds.asked) == (2, 4)
    assert served.problems in ({}, {"t[0]": "ends before"})


def test_what_was_lost_is_counted() -> None:
    served = _Served()
    gaps = (Gap(first=0, end=3, why="before"), Gap(first=3, end=5, why="lost"))
    contents = Contents(series=SERIES, first_offset=0, next_offset=5, count=0, gaps=gaps)
    served.heard(Manifest(contents=contents, size=1, sha256=""))
    assert served.lost == 2
