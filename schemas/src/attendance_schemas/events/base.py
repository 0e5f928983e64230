"""What all events share, and the words that several of them use."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True)]


class Direction(StrEnum):
    """Which way the person passed."""

    IN = "IN"
    OUT = "OUT"


class TimeTrust(StrEnum):
    """How far the device's clock was believed when `occurred_at` was decided."""

    SYNCED = "SYNCED"
    CORRECTED = "CORRECTED"
    ESTIMATED = "ESTIMATED"
    UNTRUSTED = "UNTRUSTED"


class ImageReference(Struct, frozen=True, kw_only=True):
    """Where an image lies in the object store. `width` and `height` are as stored, before `orientation`."""

    bucket: str
    key: str
    sha256: str
    media_type: str
    size_bytes: int
    width: int
    height: int
    orientation: Annotated[int, Meta(ge=1, le=8)] = 1


class Authority(Struct, frozen=True, kw_only=True):
    """Who acted, by which role, and at which sites they may; `sites` None: in the whole organisation."""

    subject: str
    role: str
    sites: tuple[str, ...] | None = None


class Event(Struct, frozen=True, kw_only=True):
    """What every event carries: its identity, when it happened and was recorded (UTC), and whose it is."""

    event_id: UUID
    occurred_at: Instant
    recorded_at: Instant
    org_id: str


class Act(Event, frozen=True, kw_only=True):
    """What somebody did to facts or people: the authority is held against all that it names."""

    authority: Authority
