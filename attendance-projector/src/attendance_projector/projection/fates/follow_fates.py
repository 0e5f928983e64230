"""Follow what was accepted until it is decided, refused or a dead letter, so that its sender can be told.

Captures and enrolments wait for recognition; they are known from the topics that ingest writes. Everything
else is applied or refused when it comes. The dead letters of all services say what could not be handled. They
are forgotten when their topics forget them, so that a rebuild gives the same.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from attendance_projector.projection.fates.ports import Fates
from attendance_projector.projection.fates.stored import (
    AwaitedFact,
    DeadFact,
    ErasedPerson,
    Erasure,
    FateKey,
)
from attendance_projector.projection.refusals import fact_id_of, storable
from attendance_projector.projection.stored import DeadLetter
from attendance_schemas.events import (
    CaptureReceived,
    EnrolmentDecided,
    EnrolmentRequested,
    Event,
    MatchDecided,
    PersonErased,
    PersonKeysErased,
)
from attendance_schemas.topics import dead_letter_topics

FATEFUL = (CaptureReceived, EnrolmentRequested, PersonErased, PersonKeysErased)
"""Events that count nothing for days, and say what is awaited and what is erased."""
DEAD_LETTERS_KEPT = min(
    timedelta(milliseconds=int(topic.settings["retention.ms"])) for topic in dead_letter_topics()
)
CAPTURE, ENROLMENT = CaptureReceived.__name__, EnrolmentRequested.__name__
# An index takes no longer text; no id that ingest accepts is as long.
LONGEST_ID = 255


async def follow_fates(
    fates: Fates, events: Sequence[Event], refused: Sequence[Event], dead_letters: Iterable[DeadLetter]
) -> None:
    """Note what these events and dead letters say; the captures and enrolments of the batch are stored."""
    oldest_first = sorted(map(_dead_fact, dead_letters), key=lambda each: (each.dead_at, each.reason))
    dead = {FateKey(each.org_id, each.kind, each.fact_id): each for each in oldest_first}
    if dead:
        await fates.store_dead(list(dead.values()))
    if settled := [*_decided(events), *_decided(refused), *dead]:
        await fates.settle(settled)
    if awaited := [
        _awaited(each) for each in events if isinstance(each, CaptureReceived | EnrolmentRequested)
    ]:
        await fates.expect(awaited)
    if erasures := [_erasure(each) for each in events if isinstance(each, PersonErased)]:
        await fates.store_erasures(erasures)
    if erased := list(_erased(events)):
        await fates.store_erased(erased)


async def forget_dead(fates: Fates, now: datetime) -> None:
    """Forget the dead letters that their topics do not keep any more."""
    await fates.forget_dead(now - DEAD_LETTERS_KEPT)


def _decided(events: Iterable[Event]) -> Iterable[FateKey]:
    for each in events:
        if isinstance(each, MatchDecided):
            yield FateKey(each.org_id, CAPTURE, each.capture_id)
        elif isinstance(each, EnrolmentDecided):
            yield FateKey(each.org_id, ENROLMENT, each.enrolment_id)


def _awaited(event: CaptureReceived | EnrolmentRequested) -> AwaitedFact:
    authority = event.authority
    return AwaitedFact(
        org_id=event.org_id,
        kind=type(event).__name__,
        fact_id=UUID(fact_id_of(event)),
        person_id=getattr(event, "person_id", None),
        site_id=getattr(event, "site_id", None),
        device_id=getattr(event, "device_id", None),
        made_by=None if authority is None else authority.subject,
        occurred_at=event.occurred_at,
        accepted_at=event.recorded_at,
    )


def _dead_fact(letter: DeadLetter) -> DeadFact:
    """Return the row of a dead letter; whatever is in it, the tables can hold it."""
    event = letter.event
    authority = getattr(event, "authority", None)
    return DeadFact(
        org_id=_short(event.org_id),
        kind=type(event).__name__,
        fact_id=UUID(fact_id_of(event)),
        reason=_short(letter.reason),
        person_id=_short_or_none(getattr(event, "person_id", None)),
        site_id=_short_or_none(getattr(event, "site_id", None)),
        device_id=_short_or_none(getattr(event, "device_id", None)),
        made_by=None if authority is None else _short(authority.subject),
        accepted_at=event.recorded_at,
        dead_at=letter.dead_at,
    )


def _erasure(event: PersonErased) -> Erasure:
    return Erasure(
        event.org_id, event.erasure_id, event.person_id, event.occurred_at, event.authority.subject
    )


def _erased(events: Iterable[Event]) -> Iterable[ErasedPerson]:
    """Return the newest completed erasure of each person."""
    newest: dict[tuple[str, str], ErasedPerson] = {}
    for each in events:
        if isinstance(each, PersonKeysErased) and each.completed_at is not None:
            key, known = (each.org_id, each.person_id), newest.get((each.org_id, each.person_id))
            if known is None or known.erased_until <= each.occurred_at:
                newest[key] = ErasedPerson(*key, each.occurred_at, each.completed_at)
    return newest.values()


def _short(text: str) -> str:
    return storable(text)[:LONGEST_ID]


def _short_or_none(text: str | None) -> str | None:
    return None if text is None else _short(text)
