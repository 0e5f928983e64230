"""When a capture happened, decided once, at its first acceptance, from the clocks of the device and our own.

| what the device sent | occurred_at | trust |
|---|---|---|
| both monotonic readings, same boot | received_at - age | SYNCED if its wall clock is right, else CORRECTED |
| its clock now, which is right | captured_at | SYNCED |
| its clock now, which is wrong | captured_at + offset | ESTIMATED |
| its clock now, booted since | captured_at + offset | ESTIMATED: nobody knows the clock of the other boot |
| its clock now, which is more than 31 days wrong | captured_at + offset | UNTRUSTED |
| neither, or an impossible result | the earlier of captured_at and received_at | UNTRUSTED |

A wall clock is right when it is within two seconds of ours. A result up to two seconds after the receipt is
the receipt; later ones, and ones more than 31 days old, are impossible. The monotonic clock wins over the
wall clock.

A wall clock that is more than 31 days wrong was reset, as by a flat battery, and may have been reset again
since the capture. Where it says so, it happened most likely; somebody should look at it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from attendance_schemas.events import TimeTrust

TOLERANCE = timedelta(seconds=2)
# As long as the topics keep a capture; a device that was away for longer has its clock taken at its word.
OLDEST = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class ClockReadings:
    """What a device says about time. Instants are aware UTC; monotonic readings are ms since boot."""

    captured_at: datetime
    device_now: datetime | None = None
    monotonic_ms: int | None = None
    boot_id: str | None = None
    monotonic_now_ms: int | None = None
    boot_id_now: str | None = None


@dataclass(frozen=True, slots=True)
class DecidedTime:
    """When it happened, how far that is believed, and our clock minus the device's at the upload."""

    occurred_at: datetime
    trust: TimeTrust
    clock_offset_ms: int | None


def decide_time(readings: ClockReadings, received_at: datetime) -> DecidedTime:
    """Decide when a capture happened; never after `received_at`."""
    offset = None if readings.device_now is None else received_at - readings.device_now
    offset_ms = None if offset is None else round(offset / timedelta(milliseconds=1))
    estimate = _estimate(readings, received_at, offset)
    if estimate is not None:
        occurred_at, trust = estimate
        if received_at - OLDEST <= occurred_at <= received_at + TOLERANCE:
            return DecidedTime(min(occurred_at, received_at), trust, offset_ms)
    return DecidedTime(min(readings.captured_at, received_at), TimeTrust.UNTRUSTED, offset_ms)


def _estimate(
    readings: ClockReadings, received_at: datetime, offset: timedelta | None
) -> tuple[datetime, TimeTrust] | None:
    """Return the best reading of the clocks, or None when they give no possible one."""
    clock_is_right = offset is not None and abs(offset) <= TOLERANCE
    same_boot = readings.boot_id is not None and readings.boot_id == readings.boot_id_now
    if same_boot and readings.monotonic_ms is not None and readings.monotonic_now_ms is not None:
        age = timedelta(milliseconds=readings.monotonic_now_ms - readings.monotonic_ms)
        if not timedelta(0) <= age <= OLDEST:
            return None
        return received_at - age, TimeTrust.SYNCED if clock_is_right else TimeTrust.CORRECTED
    if offset is None:
        return None
    booted_since = None not in (readings.boot_id, readings.boot_id_now) and not same_boot
    if clock_is_right and not booted_since:
        return readings.captured_at, TimeTrust.SYNCED
    trust = TimeTrust.ESTIMATED if abs(offset) <= OLDEST else TimeTrust.UNTRUSTED
    try:
        return readings.captured_at + offset, trust
    except OverflowError:
        return None
