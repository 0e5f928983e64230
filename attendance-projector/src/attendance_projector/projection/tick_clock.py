"""Record the passing of time: one ClockTicked every interval, however many projectors there are.

A projector that finds the newest tick older than the interval publishes one. Two that find it at once publish
two, which does no harm: only the newest counts. While something is away there is no tick, and nothing is
decided.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from attendance_projector.projection.ports import TickPublisher, Timekeeper
from attendance_schemas.events import ClockTicked
from attendance_schemas.identity import deterministic_id
from service_kit.backoff import wait
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


async def tick_clock(
    timekeeper: Timekeeper,
    publisher: TickPublisher,
    stopping: asyncio.Event,
    *,
    interval: timedelta,
    now: Callable[[], datetime],
) -> None:
    """Publish ticks until `stopping` is set; an outage is waited for."""
    while not stopping.is_set():
        try:
            as_of = await timekeeper.as_of()
            if as_of is None or now() - as_of >= interval:
                await publisher.publish(tick_of(now()))
        except TransientFailure as failure:
            log.warning("time is not recorded now", reason=str(failure))
        await wait(interval, stopping)


def reset_of(at: datetime, by: str, reason: str) -> ClockTicked:
    """Return the event by which somebody sets the clock back to an instant in UTC."""
    return msgspec.structs.replace(
        tick_of(at), event_id=deterministic_id("ClockReset", at.isoformat(), by), reset_by=by, reason=reason
    )


def tick_of(at: datetime) -> ClockTicked:
    """Return the event of an instant in UTC that has come."""
    return ClockTicked(
        event_id=deterministic_id("ClockTicked", at.isoformat()), occurred_at=at, recorded_at=at, org_id=""
    )
