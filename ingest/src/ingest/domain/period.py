"""What payroll says about periods: that one is closed, or opened again; and the events these become."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from attendance_schemas.events import Act, Authority, PeriodLocked, PeriodReopened
from attendance_schemas.identity import deterministic_id
from ingest.domain.fields import Identifier, Reason
from service_kit.fields import NearDate

# The days of a person in a period travel in one record.
LONGEST_PERIOD = timedelta(days=93)


class PeriodDocument(BaseModel):
    """What both share: a reason that stays on record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reason: Reason = Field(examples=["payroll of March is paid"])


class LockDocument(PeriodDocument):
    """Close a period: its days stay as they are, and later differences become adjustments.

    Both dates are inclusive, at most 93 days, and over at the site, or at every site of the organisation.
    """

    lock_id: UUID = Field(description="made by the sender, once; the same again for every resend")
    starts_on: NearDate = Field(examples=["2026-03-01"])
    ends_on: NearDate = Field(examples=["2026-03-31"])
    site_id: Identifier | None = Field(
        default=None, description="people with this home site now; null: everybody, also who comes later"
    )

    @model_validator(mode="after")
    def _of_a_period(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        if self.ends_on - self.starts_on >= LONGEST_PERIOD:
            raise ValueError(f"a period has at most {LONGEST_PERIOD.days} days; lock one after the other")
        return self


class ReopeningDocument(PeriodDocument):
    """Open a closed period again, for ever: its days are what the rules say, its adjustments are gone."""

    reopening_id: UUID = Field(description="made by the sender, once; the same again for every resend")
    lock_id: UUID = Field(description="of the lock that counts no longer")


@dataclass(frozen=True, slots=True)
class PeriodKind:
    """What can be said about a period: its path, its document and what it does."""

    path: str
    document: type[PeriodDocument]
    title: str


PERIOD_KINDS: Mapping[str, PeriodKind] = {
    kind.path: kind
    for kind in (
        PeriodKind("locks", LockDocument, "Close a period"),
        PeriodKind("reopenings", ReopeningDocument, "Open a closed period again"),
    )
}


def identity_of(document: PeriodDocument) -> UUID:
    """Return the id that the sender made for this request."""
    match document:
        case LockDocument():
            return document.lock_id
        case ReopeningDocument():
            return document.reopening_id
    raise TypeError(f"{type(document).__name__} is nothing about a period")


def decide_period(
    document: PeriodDocument, *, org_id: str, authority: Authority, received_at: datetime
) -> Act:
    """Decide the event of a request received for the first time at `received_at` (UTC)."""
    common: dict[str, Any] = {
        "event_id": deterministic_id("Correction", org_id, identity_of(document)),
        "occurred_at": received_at,
        "recorded_at": received_at,
        "org_id": org_id,
        "authority": authority,
        "reason": document.reason,
    }
    match document:
        case LockDocument():
            fields = {name: getattr(document, name) for name in LockDocument.model_fields}
            return PeriodLocked(**common | fields)
        case ReopeningDocument():
            return PeriodReopened(**common, reopening_id=document.reopening_id, lock_id=document.lock_id)
    raise TypeError(f"{type(document).__name__} is nothing about a period")


def zone_in_which_it_goes_on(ends_on: date, zones: Iterable[str], now: datetime) -> str | None:
    """Return a zone in which the last date of a period is not over at an instant; None: it is in all."""
    going_on = (zone for zone in sorted(set(zones)) if now.astimezone(ZoneInfo(zone)).date() <= ends_on)
    return next(going_on, None)
