"""Keeps model work off the event loop: a bounded executor, and batches that form by themselves.

While a thread works, captures gather; the next batch takes what is there. An idle worker so adds no waiting,
and a busy one fills its batches. Whose captures fill a batch, and when it is an enrolment's turn instead, the
fair turns of the domain decide: a live capture waits for the batch that runs and, at most, for one enrolment.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, Self

from recognition_worker.adapters.fair_queue import FairQueue
from recognition_worker.domain.fair_turns import CAPTURES, Work
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.identify_capture import AnalysedCapture
from recognition_worker.recognition.recognise import Analysis
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult
from service_kit.errors import PoisonRecord

# What a photo of an enrolment takes of the model's time, in captures: 19 ms beside 14 ms, since it is looked
# at in 640 pixels. Measured with openvino-int8 on one core.
PHOTO_COST = 1.4


class Identify(Protocol):
    """The use case IdentifyCapture, in its two halves."""

    def analyse(self, image: bytes, *, orientation: int = 1) -> Analysis:
        """Do the part of one image that needs no other; UndecodableImage."""
        ...

    def decide(self, captures: Sequence[AnalysedCapture]) -> list[CaptureResult]:
        """Embed a batch in one call, search and decide."""
        ...


class Enrol(Protocol):
    """The use case EnrolPerson."""

    def __call__(
        self,
        photos: Sequence[Photo],
        *,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Judge all photos of an enrolment."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _Capture:
    image: bytes
    org_id: OrgId
    orientation: int
    scope: frozenset[PersonId] | None
    result: asyncio.Future[CaptureResult]


@dataclass(frozen=True, slots=True, eq=False)
class _Enrolment:
    judge: Callable[[], EnrolmentResult]
    result: asyncio.Future[EnrolmentResult]


class BatchedInference:
    """An Inference. Used as an async context: the threads live as long."""

    def __init__(
        self,
        identify: Identify,
        enrol: Enrol,
        *,
        threads: int = 1,
        batch_size: int = 16,
        on_batch: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._identify = identify
        self._enrol = enrol
        self._batch_size = batch_size
        self._on_batch = on_batch
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="inference")
        self._free = asyncio.Semaphore(threads)
        self._waiting: FairQueue[_Capture | _Enrolment] = FairQueue()
        self._arrived = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dispatcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._dispatcher = asyncio.create_task(self._dispatch(), name="inference")
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        if self._dispatcher is not None:
            self._dispatcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._dispatcher
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def identify(
        self,
        image: bytes,
        *,
        work: Work,
        org_id: OrgId,
        orientation: int,
        scope: frozenset[PersonId] | None = None,
    ) -> CaptureResult:
        """Identify a capture, in a batch with others.

        Raises:
            PoisonRecord: undecodable-image.
        """
        capture = _Capture(image, org_id, orientation, scope, asyncio.get_running_loop().create_future())
        self._waiting.put(work, capture)
        self._arrived.set()
        return await capture.result

    async def enrol(
        self,
        photos: Sequence[Photo],
        *,
        work: Work,
        org_id: OrgId,
        person_id: PersonId,
        accepted_lookalikes: Collection[PersonId] = (),
    ) -> EnrolmentResult:
        """Make templates of photos."""

        def judge() -> EnrolmentResult:
            return self._enrol(
                photos, org_id=org_id, person_id=person_id, accepted_lookalikes=accepted_lookalikes
            )

        enrolment = _Enrolment(judge, asyncio.get_running_loop().create_future())
        self._waiting.put(work, enrolment, cost=PHOTO_COST * max(len(photos), 1))
        self._arrived.set()
        return await enrolment.result

    async def _dispatch(self) -> None:
        while True:
            await self._arrived.wait()
            await self._free.acquire()
            match self._waiting.pop():
                case _Enrolment() as enrolment:
                    work = self._run_enrolment(enrolment)
                case _Capture() as first:
                    work = self._run_batch([first, *self._more_captures()])
                case None:
                    raise AssertionError("unreachable: something waits when it has arrived")
            if not self._waiting:
                self._arrived.clear()
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _more_captures(self) -> Iterator[_Capture]:
        for _ in range(self._batch_size - 1):
            if not isinstance(capture := self._waiting.pop(among=CAPTURES), _Capture):
                return
            yield capture

    async def _run_enrolment(self, enrolment: _Enrolment) -> None:
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._executor, enrolment.judge)
            if not enrolment.result.done():
                enrolment.result.set_result(result)
        except Exception as bug:  # noqa: BLE001 - handed to the enrolment, whose run it ends
            if not enrolment.result.done():
                enrolment.result.set_exception(bug)
        finally:
            self._free.release()

    async def _run_batch(self, batch: Sequence[_Capture]) -> None:
        try:
            self._on_batch(len(batch))
            results = await asyncio.get_running_loop().run_in_executor(
                self._executor, self._identify_all, batch
            )
            for waiting, result in zip(batch, results, strict=True):
                if waiting.result.done():
                    continue  # its record was given up meanwhile
                if isinstance(result, UndecodableImage):
                    waiting.result.set_exception(
                        PoisonRecord("undecodable-image", str(result), others_pass=result.others_pass)
                    )
                else:
                    waiting.result.set_result(result)
        except Exception as bug:  # noqa: BLE001 - handed to every capture of the batch, whose run it ends
            for waiting in batch:
                if not waiting.result.done():
                    waiting.result.set_exception(bug)
        finally:
            self._free.release()

    def _identify_all(self, batch: Sequence[_Capture]) -> list[CaptureResult | UndecodableImage]:
        analysed: list[AnalysedCapture | UndecodableImage] = []
        for waiting in batch:
            try:
                analysis = self._identify.analyse(waiting.image, orientation=waiting.orientation)
            except UndecodableImage as error:
                analysed.append(error)
            else:
                analysed.append(AnalysedCapture(waiting.org_id, analysis, waiting.scope))
        decided = iter(
            self._identify.decide([item for item in analysed if isinstance(item, AnalysedCapture)])
        )
        return [item if isinstance(item, UndecodableImage) else next(decided) for item in analysed]
