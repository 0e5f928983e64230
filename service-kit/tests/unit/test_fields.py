from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from service_kit.fields import NearDate, NearInstant, readable

DAY, MOMENT = TypeAdapter(NearDate), TypeAdapter(NearInstant)


@pytest.mark.parametrize(
    "text", ["Asha Rao", "Zoë", "क्‍ष", "نام", "O'Brien-Ünal", "工場 1", "7", "☕", "👩‍🏭", "می‌خواهم"]
)
def test_what_people_are_called_is_readable(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("a\x00b", "a\nb", "a\tb", "a\x7fb", "a\x9bb", "a\ud800b", "a\u2028b", "a\u2029b"),
        *("a\u202ab", "a\u202eb", "a\u2066b", "a\u2069b"),
        *("", " ", "\u200b", "\u200d\u2060", "\ufeff", "\u3164", "\u2800", "\u0301", "\U000e0041"),
    ],
)
def test_what_nobody_can_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds"):
        readable(text)


def test_a_date_has_one_spelling() -> None:
    assert DAY.validate_python("2026-03-02") == date(2026, 3, 2)
    assert DAY.validate_python("2000-01-01") < DAY.validate_python("2099-12-31")


@pytest.mark.parametrize(
    "value",
    [
        *(
            "2026-W10-1",
            "20260302",
            "2026-3-2",
            "2026-061",
            "٢٠٢٦-٠٣-٠٢",
            "\uff12026-03-02",
            "1764460800",
            "1",
            "",
        ),
        *("2026-03-02T00:00:00", "2026-03-02 ", "2026-03-02\n", "02.03.2026", "2026-02-30", "1999-12-31"),
        *("2100-01-01", "0001-01-01", "9999-12-31", 20260302, 1.5, True, None, ["2026-03-02"]),
        datetime(2026, 3, 2, tzinfo=UTC),
    ],
)
def test_another_spelling_or_century_is_no_date(value: object) -> None:
    with pytest.raises(ValidationError):
        DAY.validate_python(value)


@pytest.mark.parametrize(
    "text", ["2026-03-02T02:30:00Z", "2026-03-02T08:00+05:30", "2026-03-01T14:30:00.000000-12:00"]
)
def test_an_instant_has_an_offset_and_is_utc(text: str) -> None:
    found = MOMENT.validate_python(text)
    assert (found, found.tzinfo) == (datetime(2026, 3, 2, 2, 30, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "value",
    [
        *("2026-03-02T08:00:00", "2026-03-02", "2026-03-02 08:00Z", "20260302T080000Z", "2026-W10-1T08:00Z"),
        *("2026-03-02T08:00:00,5Z", "2026-03-02T08:00:00+0530", "٢٠٢٦-03-02T08:00Z", "1764460800", "0"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "1999-12-31T23:59:59Z"),
        *("2100-01-01T00:00:01Z", "2026-03-02T08:00:00+99:00", 1764460800, 1.5, True, None),
        datetime(2026, 3, 2),  # noqa: DTZ001 - an instant without an offset
    ],
)
def test_another_spelling_or_century_is_no_instant(value: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(value)


def test_a_message_quotes_a_beginning_only() -> None:
    with pytest.raises(ValidationError) as caught:
        DAY.validate_python("\ud800" + "x" * 10_000)
    assert len(caught.value.errors()[0]["msg"].encode("ascii")) < 200
