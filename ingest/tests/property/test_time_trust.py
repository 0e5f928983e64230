from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_schemas.events import TimeTrust
from ingest.domain.time_trust import OLDEST, TOLERANCE, ClockReadings, decide_time

RECEIVED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return RECEIVED + timedelta(seconds=seconds)


def readings(captured=-30.0, now=None, mono=None, mono_now=None, boot=None, boot_now=None) -> ClockReadings:
    return ClockReadings(
        captured_at=at(captured),
        device_now=None if now is None else at(now),
        monotonic_ms=mono,
        boot_id=boot,
        monotonic_now_ms=mono_now,
        boot_id_now=boot_now,
    )


SAME_BOOT = {"mono": 70_000, "mono_now": 100_000, "boot": "a", "boot_now": "a"}
OTHER_BOOT = {"mono": 70_000, "mono_now": 100, "boot": "a", "boot_now": "b"}


@pytest.mark.parametrize(
    ("given_readings", "occurred", "trust", "offset_ms"),
    [
        # one boot: the monotonic clock decides, whatever the wall clock says
        (readings(captured=-30, now=0, **SAME_BOOT), -30, TimeTrust.SYNCED, 0),
        (readings(captured=-9000, now=-1.5, **SAME_BOOT), -30, TimeTrust.SYNCED, 1500),
        (readings(captured=-3630, now=-3600, **SAME_BOOT), -30, TimeTrust.CORRECTED, 3_600_000),
        (readings(captured=-30, **SAME_BOOT), -30, TimeTrust.CORRECTED, None),
        # no monotonic readings: the wall clock, corrected when it is wrong
        (readings(captured=-30, now=2), -30, TimeTrust.SYNCED, -2000),
        (readings(captured=-30, now=2.001), -32.001, TimeTrust.ESTIMATED, -2001),
        (readings(captured=-3630, now=-3600), -30, TimeTrust.ESTIMATED, 3_600_000),
        # so wrong that it was reset, as by a flat battery; where it says so is the best there is
        (readings(captured=-31 * 86400 - 30, now=-31 * 86400), -30, TimeTrust.ESTIMATED, 31 * 86_400_000),
        (readings(captured=-32 * 86400, now=-32 * 86400), 0, TimeTrust.UNTRUSTED, 32 * 86_400_000),
        (readings(captured=1e9, now=1e9 + 30), -30, TimeTrust.UNTRUSTED, -1_000_000_030_000),
        (readings(captured=1e9, now=1e9, **SAME_BOOT), -30, TimeTrust.CORRECTED, -1_000_000_000_000),
        # half a pair of readings is none
        (readings(captured=-30, now=0, mono=1, boot="a", boot_now="a"), -30, TimeTrust.SYNCED, 0),
        # booted since: a right clock now says nothing of the clock then
        (readings(captured=-30, now=0, **OTHER_BOOT), -30, TimeTrust.ESTIMATED, 0),
        (readings(captured=-30, **OTHER_BOOT), -30, TimeTrust.UNTRUSTED, None),
        # nothing to measure against
        (readings(captured=-30), -30, TimeTrust.UNTRUSTED, None),
        (readings(captured=30), 0, TimeTrust.UNTRUSTED, None),
        # a little after the receipt is the receipt, more is impossible
        (readings(captured=1.9, now=0), 0, TimeTrust.SYNCED, 0),
        (readings(captured=2.1, now=0), 0, TimeTrust.UNTRUSTED, 0),
        (
            readings(captured=-30, now=0, mono=2, mono_now=1, boot="a", boot_now="a"),
            -30,
            TimeTrust.UNTRUSTED,
            0,
        ),
        # older than the topics keep
        (readings(captured=-32 * 86400, now=0), -32 * 86400, TimeTrust.UNTRUSTED, 0),
        (
            readings(captured=-5, now=0, mono=0, mono_now=32 * 86_400_000, boot="a", boot_now="a"),
            -5,
            TimeTrust.UNTRUSTED,
            0,
        ),
        (readings(captured=-31 * 86400, now=0), -31 * 86400, TimeTrust.SYNCED, 0),
    ],
)
def test_the_table(given_readings, occurred, trust, offset_ms):
    decided = decide_time(given_readings, RECEIVED)
    assert (decided.occurred_at, decided.trust, decided.clock_offset_ms) == (at(occurred), trust, offset_ms)


def test_a_result_beyond_the_calendar_is_impossible():
    wild = ClockReadings(
        captured_at=datetime(9990, 1, 1, tzinfo=UTC), device_now=datetime(1970, 1, 1, tzinfo=UTC)
    )
    assert decide_time(wild, RECEIVED).trust is TimeTrust.UNTRUSTED


INSTANTS = st.one_of(
    st.datetimes(datetime(1970, 1, 2), datetime(9990, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(-timedelta(days=40), timedelta(days=2)).map(lambda delta: RECEIVED + delta),
)
BOOTS = st.sampled_from([None, "a", "b"])
COUNTERS = st.one_of(st.none(), st.integers(0, 2**53), st.integers(0, 10_000))
READINGS = st.builds(
    ClockReadings,
    captured_at=INSTANTS,
    device_now=st.one_of(st.none(), INSTANTS),
    monotonic_ms=COUNTERS,
    boot_id=BOOTS,
    monotonic_now_ms=COUNTERS,
    boot_id_now=BOOTS,
)


@given(READINGS)
def test_nothing_happens_after_it_was_received(each):
    decided = decide_time(each, RECEIVED)
    assert decided.occurred_at <= RECEIVED
    assert decided.occurred_at.tzinfo is UTC
    if decided.trust is not TimeTrust.UNTRUSTED:
        assert decided.occurred_at >= RECEIVED - OLDEST
    assert decide_time(each, RECEIVED) == decided


@given(st.timedeltas(timedelta(0), OLDEST), st.timedeltas(-timedelta(days=4000), timedelta(days=4000)))
def test_a_wrong_wall_clock_changes_nothing_within_one_boot(age, error):
    age -= timedelta(microseconds=age.microseconds % 1000)
    taken = RECEIVED - age
    each = ClockReadings(
        captured_at=taken + error,
        device_now=RECEIVED + error,
        monotonic_ms=0,
        boot_id="a",
        monotonic_now_ms=round(age / timedelta(milliseconds=1)),
        boot_id_now="a",
    )
    decided = decide_time(each, RECEIVED)
    assert decided.occurred_at == taken
    assert decided.trust is (TimeTrust.SYNCED if abs(error) <= TOLERANCE else TimeTrust.CORRECTED)
