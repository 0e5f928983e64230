from collections.abc import Callable
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from query_api.attendance import list_adjustments, list_attendance, list_period_locks, list_unscheduled
from query_api.captures import list_captures
from query_api.domain import cursor as cursor_module
from query_api.domain.cursor import decode_cursor, encode_cursor
from query_api.domain.pages import PageRequest, page_of
from query_api.errors import InvalidCursor
from query_api.refusals import list_refused_facts

STORABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
FILTERS = {"list": "attendance", "from": date(2026, 3, 1), "site": None}


def day_key(on: str, person_id: str, shift_id: str) -> tuple[date, str, str]:
    return date.fromisoformat(on), person_id, shift_id


def capture_key(at: str, capture_id: str) -> tuple[datetime, UUID]:
    return datetime.fromisoformat(at), UUID(capture_id)


@given(st.dates(), STORABLE, STORABLE)
def test_day_keys_round_trip(on: date, person_id: str, shift_id: str) -> None:
    cursor = encode_cursor((on, person_id, shift_id), FILTERS)
    assert decode_cursor(cursor, FILTERS, day_key) == (on, person_id, shift_id)
    assert cursor.isascii()
    assert "=" not in cursor


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_capture_keys_round_trip_to_the_microsecond(at: datetime, capture_id: UUID) -> None:
    assert decode_cursor(encode_cursor((at, capture_id), FILTERS), FILTERS, capture_key) == (at, capture_id)


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    cursor = encode_cursor((date(2026, 3, 2), "p-1", "day"), FILTERS)
    position = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda char: char != cursor[position]))
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor[:position] + other + cursor[position + 1 :], FILTERS, day_key)


@given(st.text())
def test_any_text_is_refused_and_never_a_crash(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, FILTERS, day_key)


def test_a_cursor_of_other_filters_is_refused() -> None:
    cursor = encode_cursor((date(2026, 3, 2), "p-1", "day"), FILTERS)
    with pytest.raises(InvalidCursor, match="start again"):
        decode_cursor(cursor, FILTERS | {"site": "pune-1"}, day_key)


def test_a_forged_cursor_of_another_shape_is_refused() -> None:
    forged = encode_cursor(("no date", "p-1"), FILTERS)
    with pytest.raises(InvalidCursor):
        decode_cursor(forged, FILTERS, day_key)


@pytest.mark.parametrize(
    "payload",
    [
        b"[1, 2, 3]",
        b"7",
        b"{}",
        b"[",
        b"[" * 1400,
        b'["2026-03-02", "p-1", null]',
        b'["2026-03-02", "\\u0000", "day"]',
        b'["2026-03-02", "p-1", "\\ud800"]',
    ],
)
def test_a_forged_cursor_with_other_content_is_refused(payload: bytes) -> None:
    forged = cursor_module._opaque(cursor_module._checksum(payload, FILTERS) + payload)
    with pytest.raises(InvalidCursor):
        decode_cursor(forged, FILTERS, day_key)


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (list_attendance._key, ("2026-03-02", "p-1", "day")),
        (list_adjustments._key, ("2026-03-02", "p-1", "2026-02-02", "day")),
        (list_period_locks._key, ("2026-03-02", str(UUID(int=1)))),
        (list_unscheduled._key, ("2026-03-02T02:30:00+00:00", str(UUID(int=1)))),
        (list_captures._key, ("2026-03-02T02:30:00+00:00", str(UUID(int=1)))),
        (list_refused_facts._key, ("2026-03-02T02:30:00+00:00", "PunchAdded", "f-1", "too old")),
        (str, ("p-1",)),
    ],
)
@pytest.mark.parametrize(
    "text", ["\0", "2026-03-02T02:30:00", "9999-12-31T23:59:59Z", "0001-01-01", "2026-W10-1"]
)
def test_no_list_takes_a_forged_key(parse: Callable[..., object], texts: tuple[str, ...], text: str) -> None:
    assert decode_cursor(encode_cursor(texts, FILTERS), FILTERS, parse)
    with pytest.raises(InvalidCursor):
        decode_cursor(
            encode_cursor((text if parse is not str else "\0", *texts[1:]), FILTERS), FILTERS, parse
        )


def test_an_endless_cursor_is_refused_unread() -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor("A" * 3000, FILTERS, day_key)


def test_a_page_knows_whether_another_follows() -> None:
    request = PageRequest(limit=2)
    assert request.fetch_count == 3
    page = page_of(["a", "b", "c"], request, key=lambda row: (row,), filters=FILTERS)
    assert list(page.items) == ["a", "b"]
    assert page.next_cursor is not None
    assert decode_cursor(page.next_cursor, FILTERS, str) == "b"
    assert page_of(["a", "b"], request, key=lambda row: (row,), filters=FILTERS).next_cursor is None
    assert page_of([], request, key=lambda row: (row,), filters=FILTERS).next_cursor is None
