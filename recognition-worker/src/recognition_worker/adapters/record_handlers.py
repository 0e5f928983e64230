"""From records to use cases, with the endings of the delivery loop (decode, handle, publish, acknowledge).

A record is done when its use case has returned, or when it lies in the dead letters; then the caller
acknowledges it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import CaptureReceived, EnrolmentRequested, Event, PersonErased
from attendance_schemas.headers import DECISION_ROUND
from recognition_worker.adapters.turns import Turns
from recognition_worker.adapters.work_in_hand import Held, WorkInHand
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.recognition.decide_capture import DecideCapture
from recognition_worker.recognition.decide_enrolment import DecideEnrolment
from recognition_worker.recognition.erase_person import ErasePerson
from service_kit.backoff import Backoff, retry
from service_kit.dead_letters.letters import DeadLetters
from service_kit.errors import DeliveryStopped
from service_kit.kafka.delivery import Passes, PoisonRecord, TransientFailure, deliver_one
from service_kit.kafka.metrics import DeliveryMetrics
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.observing.telemetry import extract_context, tracer

MOST_ROUNDS = 2**31 - 1  # an Avro int
_ROUND = re.compile(rb"[0-9]{1,10}")
_tracer = tracer(__name__)
log = get_logger(__name__)


class RecordHandlers:
    """Handlers for the feeds of captures and of enrolments."""

    def __init__(
        self,
        codec: Codec,
        decide_capture: DecideCapture,
        decide_enrolment: DecideEnrolment,
        erase_person: ErasePerson,
        dead_letters: DeadLetters,
        *,
        in_hand: WorkInHand,
        metrics: DeliveryMetrics,
        progressed: Callable[[], None],
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._codec = codec
        self._decide_capture = decide_capture
        self._decide_enrolment = decide_enrolment
        self._erase_person = erase_person
        self._turns = Turns()
        self._dead_letters = dead_letters
        self._in_hand = in_hand
        self._metrics = metrics
        self._progressed = progressed
        self._backoff = backoff
        self._passes = Passes()

    async def live(self, record: Record, ended: asyncio.Event) -> None:
        """Deliver a record of the topic of captures."""
        with self._in_hand.holding(Work(Kind.LIVE, record.timestamp)) as held:
            await self._deliver(record, partial(self._capture, held=held), ended)

    async def backlog(self, record: Record, ended: asyncio.Event) -> None:
        """Deliver a record of the topic of older captures."""
        with self._in_hand.holding(Work(Kind.BACKLOG, record.timestamp)) as held:
            await self._deliver(record, partial(self._capture, held=held), ended)

    async def enrolment(self, record: Record, ended: asyncio.Event) -> None:
        """Deliver a record of the topic of enrolments; those of one person one after the other.

        The key is the person: what was asked for first is done first, in one partition and here.
        """
        with self._in_hand.holding(Work(Kind.ENROLMENT, record.timestamp)) as held:
            async with self._turns.turn(record.key):
                if ended.is_set():
                    raise DeliveryStopped(f"{record} is left to the next owner")
                await self._deliver(record, partial(self._enrolment, held=held, ended=ended), ended)

    async def _deliver(
        self, record: Record, handle: Callable[[Record], Awaitable[None]], ended: asyncio.Event
    ) -> None:
        with extract_context(record.headers):
            await deliver_one(
                record,
                handle,
                self._dead_letters,
                self._backoff(),
                ended,
                passes=self._passes,
                metrics=self._metrics,
                progressed=self._progressed,
            )

    async def _capture(self, record: Record, held: Held) -> None:
        with _tracer.start_as_current_span("decide capture"):
            event = await self._decoded(record)
            if not isinstance(event, CaptureReceived):
                raise _unexpected(event, record)
            await self._decide_capture(event, held.work, decision_round=_round_of(record))

    async def _enrolment(self, record: Record, held: Held, ended: asyncio.Event) -> None:
        with _tracer.start_as_current_span("decide enrolment"):
            event = await self._decoded(record)
            match event:
                case EnrolmentRequested():
                    await self._decide_enrolment(event, held.work, decision_round=_round_of(record))
                case PersonErased():
                    held.work = Work(Kind.ERASURE, record.timestamp)
                    await self._erase(event, ended)
                case _:
                    raise _unexpected(event, record)

    async def _erase(self, event: PersonErased, ended: asyncio.Event) -> None:
        """Erase, however long Kafka is away: an erasure never ends in the dead letters."""

        def waiting(failure: Exception, _delay: timedelta) -> None:
            self._progressed()
            log.warning(
                "an erasure waits", dependency="kafka", erasure_id=str(event.erasure_id), detail=str(failure)
            )

        await retry(
            lambda: self._erase_person(event),
            backoff=self._backoff(),
            retry_on=(TransientFailure,),
            stopping=ended,
            on_retry=waiting,
        )

    async def _decoded(self, record: Record) -> Event:
        try:
            return await self._codec.decode(record.value)
        except UndecodableRecord as error:
            raise PoisonRecord("undecodable", str(error)) from error
        except RegistryUnavailable as error:
            # That others pass, whose schemas are known, says nothing against this record.
            raise TransientFailure("schema-registry", str(error), is_contention=True) from error


def _round_of(record: Record) -> int:
    """Return which decision on the record this is to be: 0 the first."""
    stated = dict(record.headers).get(DECISION_ROUND, b"0")
    # Python reads no number of thousands of digits.
    if not _ROUND.fullmatch(stated) or (found := int(stated)) > MOST_ROUNDS:
        raise PoisonRecord(
            "undecodable",
            f"the header {DECISION_ROUND} is no number from 0 to {MOST_ROUNDS}: {stated[:20]!r}",
        )
    return found


def _unexpected(event: Event, record: Record) -> PoisonRecord:
    return PoisonRecord("unexpected-event", f"a {type(event).__name__} does not belong on {record.topic}")
