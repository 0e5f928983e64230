"""What the read model keeps of accepted facts that have no rows of their own yet, or never get any."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class FateKey(NamedTuple):
    """Something that was accepted: the name of its event and its id, of an organisation."""

    org_id: str
    kind: str
    fact_id: UUID


@dataclass(frozen=True, slots=True)
class AwaitedFact:
    """A row of `awaited_fact`: a capture or an enrolment that recognition has not decided."""

    org_id: str
    kind: str
    fact_id: UUID
    person_id: str | None
    site_id: str | None
    device_id: str | None
    made_by: str | None
    occurred_at: datetime
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class DeadFact:
    """A row of `dead_letter`. `reason`: a word for machines."""

    org_id: str
    kind: str
    fact_id: UUID
    reason: str
    person_id: str | None
    site_id: str | None
    device_id: str | None
    made_by: str | None
    accepted_at: datetime
    dead_at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """A row of `erasure`: what was asked for."""

    org_id: str
    erasure_id: UUID
    person_id: str
    requested_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """A row of `erased_person`: all that was requested until an instant is erased, since another."""

    org_id: str
    person_id: str
    erased_until: datetime
    completed_at: datetime
