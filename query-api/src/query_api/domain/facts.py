"""What this service tells of a fact by its id: where it counts, or why it does not. Instants are in UTC.

Like all rows, these are also the shapes of HTTP answers.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from query_api.domain.fates import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Punch:
    """A punch without a face. Devices are not told whose it is.

    `placement`: DAY, on the day `placed_on`; REVIEW, in the window of no shift; VOIDED, by a correction;
    WAITING, the person or the home site is not recorded yet; PENDING, nobody has the badge yet.
    """

    punch_id: UUID
    occurred_at: datetime
    person_id: str | None
    display_name: str | None
    site_id: str | None
    site_name: str | None
    device_id: str | None
    direction: str | None
    method: str
    placement: str
    placed_on: date | None
    placed_shift_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A correction that counts. `kind`: ADD, VOID, OVERRIDE, REVIEW, LOCK or REOPENING."""

    correction_id: UUID
    kind: str
    person_id: str | None
    display_name: str | None
    made_by: str
    reason: str | None
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """An erasure of biometrics: WAITING, or DONE since `completed_at`."""

    erasure_id: UUID
    person_id: str
    display_name: str | None
    requested_at: datetime
    made_by: str
    state: str
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldFate:
    """What became of a fact that has no row of its own: REFUSED, DEAD_LETTER or WAITING, and since when."""

    fate: Fate
    since: datetime
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedFact:
    """A fact that was accepted and counts nothing, because the rules refuse it.

    `kind`: name of the event; `fact_id`: of the capture, punch, correction, review, lock or reopening.
    `reason` is a word for machines, `detail` says it to people. `made_by`: null for recognition's decisions.
    """

    kind: str
    fact_id: str
    reason: str
    detail: str
    person_id: str | None
    site_id: str | None
    device_id: str | None
    made_by: str | None
    recorded_at: datetime
    refused_at: datetime
