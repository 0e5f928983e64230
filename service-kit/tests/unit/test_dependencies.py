import asyncio
from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from service_kit.errors import TransientFailure
from service_kit.observing.dependencies import Dependency
from service_kit.observing.health import Health


class Store:
    """Fails as told, and counts how often it was asked."""

    def __init__(self) -> None:
        self.now, self.asked, self.failure = 0.0, 0, False
        self.was_asked = asyncio.Event()

    async def check(self) -> None:
        self.asked += 1
        self.was_asked.set()
        if self.failure:
            raise TransientFailure("store", "refused")

    def needed(self) -> Dependency:
        return Dependency("store", self.check, meanwhile="devices get 503", clock=lambda: self.now)

    async def well_at(self, dependency: Dependency, now: float) -> bool:
        self.now = now
        try:
            await dependency.check()
        except TransientFailure:
            return False
        return True


async def test_a_dependency_is_asked_rarely_and_forgiven_one_failure() -> None:
    store = Store()
    needed = store.needed()
    assert [await store.well_at(needed, now) for now in (0.0, 0.4, 1.9)] == [True, True, True]
    assert store.asked == 1
    store.failure = True
    assert [await store.well_at(needed, now) for now in (2.0, 3.9, 4.0, 5.9)] == [True, True, False, False]
    store.failure = False
    assert await store.well_at(needed, 6.0)
    assert store.asked == 4


async def test_many_probes_ask_once() -> None:
    store = Store()
    needed = store.needed()
    await asyncio.gather(*(needed.check() for _ in range(50)))
    assert store.asked == 1


async def test_what_never_answered_is_away_at_once() -> None:
    store = Store()
    store.failure = True
    assert not await store.well_at(store.needed(), 0.0)
    waiting = asyncio.Event()
    hanging = Dependency("store", waiting.wait, meanwhile="", timeout=timedelta(milliseconds=10))
    with pytest.raises(TransientFailure, match=r"store: no answer within 0\.01 s"):
        await hanging.check()


async def test_an_outage_is_a_sentence_at_its_beginning_and_one_at_its_end() -> None:
    store = Store()
    needed = store.needed()
    with capture_logs() as lines:
        for second in range(0, 120, 2):
            store.failure = 10 <= second < 72
            await store.well_at(needed, float(second))
    assert [line["event"] for line in lines] == [
        "store is away: devices get 503",
        "store is back after 62 s",
    ]
    assert lines[0]["reason"] == "refused"


async def test_an_outage_is_told_where_nobody_asks_for_readiness() -> None:
    health, told = Health(watch_every=timedelta(0)), asyncio.Event()

    async def away() -> None:
        raise OSError("refused")

    def tell(_logger: object, _method: str, event: EventDict) -> EventDict:
        lines.append(event["event"])
        told.set()
        raise structlog.DropEvent

    lines: list[str] = []
    often = timedelta(0)
    health.need(Dependency("store", away, meanwhile="devices get 503", away=OSError, every=often))
    health.use(Dependency("cache", away, meanwhile="it is slower", away=OSError, every=often))
    structlog.configure(processors=[tell])
    try:
        async with health.watching():
            await told.wait()
    finally:
        structlog.reset_defaults()
    report = await health.ready()
    assert lines == ["store is away: devices get 503", "cache is away: it is slower"]
    assert report.checks == {"store": "store: refused"}
    assert report.notes == {"cache": "away: refused; it is slower"}
    assert (await health.live()).ok


async def test_what_a_service_does_without_keeps_nobody_from_using_it() -> None:
    store, health = Store(), Health()
    store.failure = True
    health.use(store.needed())
    async with health.watching():
        await store.was_asked.wait()
    assert (await health.ready()).ok


async def test_a_bug_in_a_check_is_shown_and_ends_nothing() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    health = Health()
    health.need(Dependency("store", broken, meanwhile=""))
    assert (await health.ready()).checks == {"store": "ZeroDivisionError()"}
