"""Values at and over the edges of each kind of field: what nobody expects and somebody sends."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from attendance_testing.tenancy.operations import new_uuid

DAYS_AROUND_NOW = (
    -4000,
    -401,
    -400,
    -399,
    -94,
    -62,
    -61,
    -60,
    -32,
    -31,
    -30,
    -2,
    -1,
    0,
    1,
    2,
    399,
    400,
    401,
    4000,
)
SECONDS_AROUND_NOW = (-301, -300, -299, -121, -120, -119, -1, 0, 1, 119, 121, 299, 301, 3600)
FIXED_INSTANTS = (
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+14:00",
    "1999-12-31T23:59:59-12:00",
    "2000-01-01T00:00:00Z",
    "2024-02-29T12:00:00Z",
    "2026-03-29T02:30:00+01:00",
    "2026-10-25T02:30:00+02:00",
    "2026-10-25T02:30:00",
    "2026-06-30T23:59:60Z",
    "2038-01-19T03:14:08Z",
    "2063-04-05T00:00:00Z",
    "9989-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
)
FIXED_DATES = (
    "0001-01-01",
    "1940-01-01",
    "1970-01-01",
    "2000-01-01",
    "2024-02-29",
    "2026-02-29",
    "9999-12-31",
)
FIXED = 0.3
"""The share of instants and dates that do not go by today."""
TEXTS = (
    "",
    " ",
    "\u0000",
    "a\u0000b",
    "\ud800",
    "a\udfff",
    "\ufffe\uffff",
    "x" * 64,
    "x" * 65,
    "x" * 200,
    "x" * 201,
    "x" * 500,
    "x" * 501,
    "é" * 500,
    "👩‍🏭" * 125,
    "e\u0301" * 250,
    "\u202eabc",
    "a\r\nSet-Cookie: b=c",
    "\u2028",
    "=1+1",
    "'); DROP TABLE attendance.punch; --",
    "%s%n{0}${jndi:x}",
    "NULL",
    "\\",
    '"',
)
IDS = (
    "person-1",
    "person-2",
    "person-a",
    "person-x",
    "site-1",
    "device-1",
    "shift-1",
    "alpha",
    "alpha:person:person-1",
    ":",
    "*",
    ".",
    "..",
    "a" * 64,
    "a" * 65,
    "A",
    "ä",
    "\u0131",
    "-",
    "_",
    "0",
    "%2e",
    "a b",
    "a/b",
    "a\n",
)
NUMBERS = (
    -(2**63) - 1,
    -1,
    0,
    1,
    59,
    60,
    719,
    720,
    1439,
    1440,
    1441,
    2**31 - 1,
    2**31,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**63,
    2**64,
    1.5,
    1e308,
    "1",
)
WORDS = (
    "",
    "IN",
    "in",
    "OUT",
    "PRESENT",
    "ABSENT",
    "LEAVE",
    "HALF_DAY",
    "HOLIDAY",
    "INCOMPLETE",
    "PENDING",
    "badge",
)
OTHER_TYPES: Sequence[Any] = (None, True, [], {}, ["x"], {"a": {"b": []}})
Edge = Callable[[random.Random, Sequence[str]], Any]


def an_instant(chance: random.Random, _ids: Sequence[str]) -> str:
    """Return an instant near an edge, seldom without an offset."""
    pick = chance.random()
    if pick < FIXED:
        return chance.choice(FIXED_INSTANTS)
    days = timedelta(days=chance.choice(DAYS_AROUND_NOW)) if pick < 0.6 else timedelta(0)
    seconds = timedelta(
        seconds=chance.choice(SECONDS_AROUND_NOW), microseconds=chance.choice((0, 1, 999_999))
    )
    return (datetime.now(UTC) + days + seconds).isoformat()


def a_date(chance: random.Random, _ids: Sequence[str]) -> str:
    """Return a date near an edge."""
    if chance.random() < FIXED:
        return chance.choice(FIXED_DATES)
    return (datetime.now(UTC) + timedelta(days=chance.choice(DAYS_AROUND_NOW))).date().isoformat()


def a_text(chance: random.Random, _ids: Sequence[str]) -> str:
    """Return text that something might stumble over."""
    return chance.choice(TEXTS)


def an_id(chance: random.Random, _ids: Sequence[str]) -> str:
    """Return an id that is somebody's, nobody's, of another kind, or none."""
    return chance.choice(IDS)


def a_uuid(chance: random.Random, ids: Sequence[str]) -> str:
    """Return an id of a fact: one that was used before, for whatever kind, or a strange one."""
    if ids and chance.random() < 0.7:
        return chance.choice(ids)
    strange = (str(UUID(int=0)), str(UUID(int=2**128 - 1)), str(uuid4()), new_uuid("hostile").upper(), "x")
    return chance.choice(strange)


def a_number(chance: random.Random, _ids: Sequence[str]) -> Any:
    """Return a number at or over an edge of some counter."""
    return chance.choice(NUMBERS)


def a_word(chance: random.Random, _ids: Sequence[str]) -> str:
    """Return a word of some enumeration."""
    return chance.choice(WORDS)


def another_type(chance: random.Random, _ids: Sequence[str]) -> Any:
    """Return what is no text and no number."""
    return chance.choice(OTHER_TYPES)


EDGES: dict[str, Edge] = {
    **dict.fromkeys(("captured_at", "device_now", "punched_at", "first_in_at", "last_out_at"), an_instant),
    **dict.fromkeys(("attendance_on", "starts_on", "ends_on"), a_date),
    **dict.fromkeys(
        ("reason", "consent_reference", "boot_id", "boot_id_now", "badge", "claimed_badge"), a_text
    ),
    **dict.fromkeys(("person_id", "site_id", "shift_id"), an_id),
    **dict.fromkeys(
        (
            "capture_id",
            "punch_id",
            "correction_id",
            "voided_correction_id",
            "lock_id",
            "reopening_id",
            "enrolment_id",
        ),
        a_uuid,
    ),
    **dict.fromkeys(
        ("device_sequence", "monotonic_ms", "monotonic_now_ms", "worked_minutes", "overtime_minutes"),
        a_number,
    ),
    **dict.fromkeys(("direction", "status", "method"), a_word),
}
