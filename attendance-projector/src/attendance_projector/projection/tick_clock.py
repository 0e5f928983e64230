"""Record the passing of time: one ClockTicked every interval, however many projectors there are.

A projector that finds the newest tick older than the interval publishes one. Two that find it at once publish
two, which does no harm: only the newest counts. While something is away there is no tick, and nothing is
decided.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from attendance_projector.errors import ClocksApart
from attendance_projector.projection.ports import TickPublisher, Timekeeper
from attendance_schemas.events import ClockTicked
from attendance_schemas.identity import deterministic_id
from service_kit.backoff import wait
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

# Clocks of brokers and projectors differ by less.
CLOCKS_DIFFER_BY = timedelta(minutes=5)


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
                tick = tick_of(now())
                if is_ahead(tick, log_time := await publisher.publish(tick)):
                    log.error(
                        "time stands still: the clock of this machine or of the Kafka broker is wrong",
                        here=tick.occurred_at.isoformat(),
                        broker=log_time.isoformat(),
                    )
        except TransientFailure as failure:
            log.warning("time is not recorded now", dependency=failure.dependency, reason=failure.detail)
        await wait(interval, stopping)


def is_ahead(tick: ClockTicked, log_time: datetime) -> bool:
    """Tell whether a tick is too far ahead of the time that the log has for it: it counts nothing."""
    return tick.occurred_at - log_time > CLOCKS_DIFFER_BY


def is_late_reset(tick: ClockTicked, log_time: datetime) -> bool:
    """Tell whether a reset says that it is long before the time that the log has for it.

    It counts nothing: a clock that is wrong, or a record that came once more, would take back what time has
    decided since. A tick may be late, for it only moves time forward.
    """
    return tick.reset_by is not None and log_time - tick.occurred_at > CLOCKS_DIFFER_BY


async def reset_clock(publisher: TickPublisher, at: datetime, by: str, reason: str) -> None:
    """Record that the time is an instant in UTC, whatever came before.

    Raises:
        ClocksApart: the log's own time is so far from it that no projector takes it.
        TransientFailure: Kafka or the registry is away.
    """
    tick = msgspec.structs.replace(
        tick_of(at), event_id=deterministic_id("ClockReset", at.isoformat(), by), reset_by=by, reason=reason
    )
    log_time = await publisher.publish(tick)
    if is_ahead(tick, log_time) or is_late_reset(tick, log_time):
        raise ClocksApart(
            f"the clock was not set: it is {at:%Y-%m-%d %H:%M:%S} UTC here and "
            f"{log_time:%Y-%m-%d %H:%M:%S} UTC at the Kafka broker. Set the clock that is wrong, "
            "then run the same command again"
        )


def tick_of(at: datetime) -> ClockTicked:
    """Return the event of an instant in UTC that has come."""
    return ClockTicked(
        event_id=deterministic_id("ClockTicked", at.isoformat()), occurred_at=at, recorded_at=at, org_id=""
    )
