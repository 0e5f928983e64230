import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.events import (
    CaptureReceived,
    EnrolmentDecided,
    EnrolmentOutcome,
    EnrolmentRequested,
    Event,
    PersonErased,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import ENROLMENTS
from recognition_worker.adapters.record_handlers import RecordHandlers
from recognition_worker.adapters.work_in_hand import WorkInHand
from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import ImageRef, ModelId, Person, PersonId, TemplateId
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.decide_enrolment import ERASED_REASON, DecideEnrolment
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.erase_person import ErasePerson
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult, PhotoResult
from service_kit.backoff import Backoff
from service_kit.dead_letters.letters import DeadLetters
from service_kit.errors import DeadLetterRefused, DeliveryStopped, PoisonRecord, TransientFailure
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import OutgoingRecord, Position, Record

NAMES = ("EnrolmentRequested", "PersonErased", "CaptureReceived")
REQUEST = next(event for _, event, _ in golden_examples(EnrolmentRequested))
ERASURE = next(event for _, event, _ in golden_examples(PersonErased))
assert isinstance(REQUEST, EnrolmentRequested)
assert isinstance(ERASURE, PersonErased)
MODEL = ModelId("Paint", "1")
QUICK = timedelta(microseconds=1)


class Schemas:
    async def schema_by_id(self, schema_id: int) -> str:
        return schema_text(NAMES[schema_id])

    async def id_of(self, subject: str, schema: str) -> int:
        return 0


@dataclass
class Letters:
    sent: list[OutgoingRecord] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    async def send(self, record: OutgoingRecord) -> Position:
        if self.failures:
            raise self.failures.pop()
        self.sent.append(record)
        return Position(record.topic, 0, 1)


@dataclass
class World:
    """Every port at once; `photos_arrive` holds up the store, `failures` the erasure."""

    photos_arrive: asyncio.Event = field(default_factory=asyncio.Event)
    failures: int = 0
    erased_until: datetime | None = None
    others_pass: Callable[[], None] = lambda: None
    did: list[str] = field(default_factory=list)
    decisions: list[EnrolmentDecided] = field(default_factory=list)
    letters: Letters = field(default_factory=Letters)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def read(self, image: ImageRef, work: Work) -> bytes:
        self.did.append("fetch")
        await self.photos_arrive.wait()
        return b"photo"

    async def identify(self, image: bytes, **_: object) -> CaptureResult:
        raise AssertionError("no capture here")

    async def enrol(self, photos: Sequence[Photo], *, person_id: PersonId, **_: object) -> EnrolmentResult:
        self.did.append(f"judge {person_id}")
        refused = PhotoResult(accepted=False, reasons=("too dark",))
        return EnrolmentResult(MODEL, (refused,) * len(photos))

    async def decide(self, decision: EnrolmentDecided) -> None:
        self.decisions.append(decision)

    async def voids(self, person: Person, requested_at: datetime) -> bool:
        return self.erased_until is not None and requested_at <= self.erased_until

    async def void(self, person: Person, erased_at: datetime, **_: object) -> datetime:
        if self.failures:
            self.failures -= 1
            self.others_pass()
            raise TransientFailure("kafka", "away")
        self.did.append(f"erase {person.person_id}")
        return erased_at

    async def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        return []

    async def erase(self, person: Person, identity: object) -> None:
        raise AssertionError("there is nothing to erase")

    def handlers(self) -> RecordHandlers:
        self.registry = CollectorRegistry()
        metrics = RecognitionMetrics(self.registry)
        everything = cast(object, self)
        return RecordHandlers(
            Codec(Schemas()),
            cast(DecideCapture, None),
            DecideEnrolment(
                everything,
                everything,
                everything,
                metrics,
                everything,
                deciding=lambda: MODEL,
                knows=lambda: {MODEL: (3, 5)},
                now=now,
            ),  # type: ignore[arg-type]
            ErasePerson(everything, everything, everything, metrics, now=now),  # type: ignore[arg-type]
            DeadLetters(self.letters, service="w", version="1"),
            in_hand=WorkInHand(metrics, now=now),
            metrics=DeliveryMetrics(CollectorRegistry()),
            progressed=lambda: None,
            backoff=lambda: Backoff(QUICK, QUICK),
        )


def now() -> datetime:
    return datetime(2026, 7, 1, tzinfo=UTC)


def record(event: Event, offset: int = 0) -> Record:
    number = NAMES.index(type(event).__name__)
    value = FRAME.pack(MAGIC, number) + encode_body(event)
    key = ENROLMENTS.key_of(event) if not isinstance(event, CaptureReceived) else b"c"
    return Record(ENROLMENTS.name, 0, offset, key, value, (), now())


def started(handlers: RecordHandlers, ended: asyncio.Event, *events: Event) -> list[asyncio.Task[None]]:
    return [
        asyncio.create_task(handlers.enrolment(record(event, offset), ended))
        for offset, event in enumerate(events)
    ]


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_an_erasure_waits_for_the_enrolment_before_it_and_others_do_not() -> None:
    world = World()
    handlers, ended = world.handlers(), asyncio.Event()
    other = msgspec.structs.replace(ERASURE, person_id="bob")
    tasks = started(handlers, ended, REQUEST, ERASURE, other)
    await settle()
    assert sorted(world.did) == ["erase bob", "erase bob", "fetch", "fetch"]
    world.photos_arrive.set()
    await asyncio.gather(*tasks)
    assert world.did[4:] == ["judge p-1042", "erase p-1042", "erase p-1042"]


async def test_each_kind_shows_since_when_its_oldest_waits_and_what_was_done() -> None:
    world = World()
    handlers, ended = world.handlers(), asyncio.Event()

    def shown(name: str, kind: str) -> float | None:
        return world.registry.get_sample_value(name, {"kind": kind})

    old = replace(record(REQUEST), timestamp=now() - timedelta(seconds=90))
    waiting = asyncio.create_task(handlers.enrolment(old, ended))
    await settle()
    await handlers.enrolment(record(msgspec.structs.replace(ERASURE, person_id="bob"), 1), ended)
    assert shown("recognition_work_oldest_seconds", "enrolment") == 90
    assert shown("recognition_work_oldest_seconds", "erasure") == 0
    assert shown("recognition_work_done_total", "erasure") == 1
    assert shown("recognition_work_done_total", "enrolment") == 0
    world.photos_arrive.set()
    await waiting
    assert shown("recognition_work_done_total", "enrolment") == 1
    assert shown("recognition_work_oldest_seconds", "enrolment") == 0


async def test_the_same_person_id_of_another_organisation_does_not_wait() -> None:
    world = World()
    handlers, ended = world.handlers(), asyncio.Event()
    tasks = started(handlers, ended, REQUEST, msgspec.structs.replace(ERASURE, org_id="globex"))
    await asyncio.wait_for(tasks[1], 10)
    assert not tasks[0].done()
    world.photos_arrive.set()
    await tasks[0]


async def test_an_enrolment_from_before_the_erasure_is_refused_without_its_photos() -> None:
    world = World(erased_until=REQUEST.occurred_at)
    await world.handlers().enrolment(record(REQUEST), asyncio.Event())
    [decision] = world.decisions
    assert decision.outcome is EnrolmentOutcome.REJECTED
    assert [photo.reasons for photo in decision.photos] == [(ERASED_REASON,)] * len(REQUEST.photos)
    assert (decision.model_name, decision.template_count, world.did) == ("Paint", 0, [])
    assert decision.erased
    later = msgspec.structs.replace(REQUEST, occurred_at=REQUEST.occurred_at + timedelta(microseconds=1))
    world.photos_arrive.set()
    await world.handlers().enrolment(record(later), asyncio.Event())
    assert world.did[-1] == "judge p-1042"
    assert not world.decisions[-1].erased


async def test_what_waits_for_its_turn_when_the_partition_goes_is_left_to_the_next_owner() -> None:
    world, ended = World(), asyncio.Event()
    handlers = world.handlers()
    first = asyncio.create_task(handlers.enrolment(record(REQUEST), ended))
    waiting = asyncio.create_task(handlers.enrolment(record(ERASURE, 1), ended))
    await settle()
    ended.set()
    world.photos_arrive.set()
    await first
    with pytest.raises(DeliveryStopped):
        await waiting
    assert "erase p-1042" not in world.did


async def test_an_erasure_is_never_dead_lettered_though_it_fails_while_others_pass() -> None:
    world = World(failures=20)
    handlers = world.handlers()

    def pass_another() -> None:
        handlers._passes.count += 1

    world.others_pass = pass_another
    await handlers.enrolment(record(ERASURE), asyncio.Event())
    assert world.did == ["erase p-1042", "erase p-1042"]
    assert world.letters.sent == []


@pytest.mark.parametrize(("stated", "expected"), [((), 0), ((("decision-round", b"2"),), 2)])
async def test_a_decision_says_its_round_and_what_was_known(
    stated: tuple[tuple[str, bytes], ...], expected: int
) -> None:
    world = World()
    world.photos_arrive.set()
    await world.handlers().enrolment(replace(record(REQUEST), headers=stated), asyncio.Event())
    [decision] = world.decisions
    assert (decision.decision_round, decision.gallery_offsets) == (expected, (3, 5))


@pytest.mark.parametrize("stated", [b"", b"-1", b"one", b"2147483648", "²".encode(), b"9" * 5000])
async def test_a_round_that_is_no_number_is_dead_lettered(stated: bytes) -> None:
    world = World()
    wrong = replace(record(REQUEST), headers=(("decision-round", stated),))
    await world.handlers().enrolment(wrong, asyncio.Event())
    [letter] = world.letters.sent
    assert dict(letter.headers)["dlq-reason"] == b"undecodable"
    assert world.decisions == []


async def test_a_record_whose_dead_letter_fails_is_not_acknowledged_before_it_is_written() -> None:
    world = World()
    world.letters.failures = [TransientFailure("kafka")] * 3
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    await world.handlers().enrolment(record(capture), asyncio.Event())
    assert (len(world.letters.sent), world.letters.failures) == (1, [])


async def test_a_record_whose_dead_letter_kafka_refuses_ends_the_worker_unacknowledged() -> None:
    world = World()
    world.letters.failures = [PoisonRecord("record-too-large")] * 2
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    with pytest.raises(DeadLetterRefused):
        await world.handlers().enrolment(record(capture), asyncio.Event())


async def test_what_does_not_belong_is_dead_lettered() -> None:
    world = World()
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    await world.handlers().enrolment(record(capture), asyncio.Event())
    [letter] = world.letters.sent
    assert dict(letter.headers)["dlq-reason"] == b"unexpected-event"
