"""A punch without a face as it is accepted: decided once, then only repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from attendance_schemas.events import Authority, Direction, PunchMethod, PunchSubmitted
from attendance_schemas.identity import deterministic_id
from ingest.domain.time_trust import ClockReadings, decide_time

# What a resend must repeat; everything else was decided at the first acceptance.
CLAIMED = ("method", "credential", "captured_at", "direction", "device_id", "device_sequence", "reason")


@dataclass(frozen=True, slots=True)
class PunchClaim:
    """What a device or a supervisor says about one punch.

    `credential` is the number of the badge, or the person's id. Supervisors count no sequence and give a
    reason.
    """

    punch_id: UUID
    method: PunchMethod
    credential: str
    clocks: ClockReadings
    device_sequence: int | None = None
    direction: Direction | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a punch comes from: a device, or a supervisor for somebody with this home site."""

    org_id: str
    site_id: str
    authority: Authority
    device_id: str | None = None
    home_site_id: str | None = None


# Who had what was shown at an instant; None: nobody yet.
OwnerAt = Callable[[datetime], str | None]


def decide_punch(
    claim: PunchClaim, sender: Sender, owner_at: OwnerAt, received_at: datetime
) -> PunchSubmitted:
    """Decide the event of a punch received for the first time at `received_at` (UTC)."""
    decided = decide_time(claim.clocks, received_at)
    return PunchSubmitted(
        event_id=deterministic_id("PunchSubmitted", sender.org_id, claim.punch_id),
        occurred_at=decided.occurred_at,
        recorded_at=received_at,
        org_id=sender.org_id,
        punch_id=claim.punch_id,
        method=claim.method,
        credential=claim.credential,
        person_id=owner_at(decided.occurred_at),
        site_id=sender.site_id,
        device_id=sender.device_id,
        device_sequence=claim.device_sequence,
        direction=claim.direction,
        time_trust=decided.trust,
        captured_at=claim.clocks.captured_at,
        clock_offset_ms=decided.clock_offset_ms,
        reason=claim.reason,
        authority=sender.authority,
        home_site_id=sender.home_site_id,
    )


def same_claim(first: PunchSubmitted, second: PunchSubmitted) -> bool:
    """Say whether two punches under one id claim the same."""
    return first.authority.subject == second.authority.subject and all(
        getattr(first, name) == getattr(second, name) for name in CLAIMED
    )
