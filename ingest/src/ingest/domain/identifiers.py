"""Ids and the object keys made of them: the same id always gives the same key."""

import re
from datetime import UTC, datetime
from uuid import RFC_4122, UUID

# Part of record keys, object keys and URLs: no separator of any of these can appear in it.
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
IDENTIFIER = re.compile(ID_PATTERN)
# Printable ASCII, as readers of badges and codes give it.
BADGE_PATTERN = r"^[\x21-\x7e]([\x20-\x7e]{0,62}[\x21-\x7e])?$"
BADGE = re.compile(BADGE_PATTERN)
TIME_ORDERED = 7  # RFC 9562, 5.7
LATEST_MILLISECONDS = 253_402_300_799_999  # the end of the year 9999


def time_of(capture_id: UUID) -> datetime | None:
    """Return the UTC instant inside a UUIDv7, None for other versions and beyond the calendar."""
    milliseconds = capture_id.int >> 80
    if (
        capture_id.version != TIME_ORDERED
        or capture_id.variant != RFC_4122
        or milliseconds > LATEST_MILLISECONDS
    ):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def capture_key(org_id: str, capture_id: UUID) -> str:
    """Return the object key of a capture's image; the day is the one inside the id."""
    instant = time_of(capture_id)
    if instant is None:
        raise ValueError(f"{capture_id} is no UUIDv7")
    return f"captures/{org_id}/{instant.year:04d}/{instant.month:02d}/{instant.day:02d}/{capture_id}"


def enrolment_prefix(org_id: str, person_id: str, enrolment_id: UUID) -> str:
    """Return what the object keys of an enrolment begin with."""
    return f"enrolments/{org_id}/{person_id}/{enrolment_id}"


def photo_key(org_id: str, person_id: str, enrolment_id: UUID, number: int) -> str:
    """Return the object key of the `number`th photo of an enrolment, from 1."""
    return f"{enrolment_prefix(org_id, person_id, enrolment_id)}/{number}"


def enrolment_manifest_key(org_id: str, person_id: str, enrolment_id: UUID) -> str:
    """Return the object key of an enrolment's event, which recognition finds beside the photos."""
    return f"{enrolment_prefix(org_id, person_id, enrolment_id)}/manifest"
