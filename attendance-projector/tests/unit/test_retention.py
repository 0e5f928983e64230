from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attendance_projector.domain.retention import REACH, KeptMonths, Retention, months_before, retention_of
from attendance_projector.settings import Settings
from service_kit.errors import SettingsError

TODAY = date(2026, 3, 31)


def test_nothing_is_dropped_unless_asked_for() -> None:
    kept = retention_of(TODAY, KeptMonths())
    assert kept == Retention()
    assert (kept.facts_from, kept.decisions_from, kept.final_before) == (None, None, None)


def test_whole_months_before_this_one_are_kept() -> None:
    kept = retention_of(TODAY, KeptMonths(2, 13, 84))
    assert kept == Retention(date(2026, 1, 1), date(2025, 2, 1), date(2019, 3, 1))


def test_the_oldest_month_of_punches_is_final() -> None:
    kept = retention_of(TODAY, KeptMonths(None, 2, None))
    assert kept.punches_from == date(2026, 1, 1)
    assert kept.facts_from == kept.decisions_from == date(2026, 2, 1)
    assert kept.final_before == date(2026, 1, 22)


def test_decisions_need_their_captures() -> None:
    assert retention_of(TODAY, KeptMonths(2, 13, None)).decisions_from == date(2026, 1, 1)
    assert retention_of(TODAY, KeptMonths(13, 2, None)).decisions_from == date(2026, 2, 1)
    assert retention_of(TODAY, KeptMonths(2, None, None)).facts_from is None


@pytest.mark.parametrize("month", [date(2026, 1, 1) + timedelta(days=31 * number) for number in range(48)])
def test_every_day_that_can_change_has_all_of_its_punches(month: date) -> None:
    kept = retention_of(month, KeptMonths(None, 2, None))
    assert kept.final_before is not None
    assert kept.facts_from is not None
    # A fact changes days up to REACH before it, and these depend on punches up to REACH before them.
    assert kept.facts_from - REACH >= kept.final_before
    assert kept.final_before - REACH >= kept.punches_from


def test_it_never_goes_back() -> None:
    before = Retention(punches_from=date(2026, 1, 1))
    assert retention_of(TODAY, KeptMonths(punches=24), before) == before
    assert retention_of(TODAY, KeptMonths(), before) == before
    later = retention_of(date(2026, 6, 1), KeptMonths(punches=2), before)
    assert later.punches_from == date(2026, 4, 1)


def test_what_payroll_has_not_closed_is_kept() -> None:
    keep = KeptMonths(2, 2, 2)
    assert retention_of(TODAY, keep, open_from=date(2025, 11, 17)).facts_from == date(2025, 11, 1)
    # A fact about the first open date may be of an earlier UTC date.
    assert retention_of(TODAY, keep, open_from=date(2025, 11, 1)).facts_from == date(2025, 10, 1)
    assert retention_of(TODAY, keep, open_from=date(2026, 3, 1)) == retention_of(TODAY, keep)


@given(
    st.builds(KeptMonths, *[st.none() | st.integers(1, 30)] * 3),
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
)
def test_later_open_dates_do_not_hold_it_back(keep: KeptMonths, open_from: date) -> None:
    kept = retention_of(TODAY, keep)
    if kept.closed_before is None or open_from >= kept.closed_before:
        assert kept.not_beyond(open_from) == kept


def test_the_day_before_holds_it_back() -> None:
    kept = retention_of(TODAY, KeptMonths(2, 3, 4))
    assert kept.closed_before is not None
    assert kept.not_beyond(kept.closed_before - timedelta(days=1)) != kept


def test_months_are_counted_over_years() -> None:
    assert [months_before(date(2026, 2, 1), count) for count in (0, 1, 2, 14, 26)] == [
        date(2026, 2, 1),
        date(2026, 1, 1),
        date(2025, 12, 1),
        date(2024, 12, 1),
        date(2023, 12, 1),
    ]


@pytest.mark.parametrize(("punches", "days"), [("13", "12"), (None, "84")])
def test_days_are_not_kept_for_less_than_their_punches(
    monkeypatch: pytest.MonkeyPatch, punches: str | None, days: str
) -> None:
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092"),
        ("SCHEMA_REGISTRY_URL", "http://registry"),
        ("DATABASE_URL", "postgresql://db/attendance"),
        ("ATTENDANCE_PROJECTOR_KEEP_DAY_MONTHS", days),
    ):
        monkeypatch.setenv(name, value)
    if punches is not None:
        monkeypatch.setenv("ATTENDANCE_PROJECTOR_KEEP_PUNCH_MONTHS", punches)
    with pytest.raises(
        SettingsError, match="KEEP_DAY_MONTHS must be at least ATTENDANCE_PROJECTOR_KEEP_PUNCH_MONTHS"
    ):
        Settings.load()
