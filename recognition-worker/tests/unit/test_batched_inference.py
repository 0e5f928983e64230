import asyncio
import threading
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import pytest

from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.domain.decision import Outcome
from recognition_worker.domain.fair_turns import SHARES, Kind, Work
from recognition_worker.domain.identity import ModelId, OrgId, PersonId
from recognition_worker.errors import UndecodableImage
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.identify_capture import AnalysedCapture
from recognition_worker.recognition.recognise import Analysis, NoFace
from recognition_worker.recognition.results import CaptureResult, EnrolmentResult
from service_kit.errors import PoisonRecord

MODEL = ModelId("Paint", "1")
ORG = OrgId("acme")
LIVE, BACKLOG, ENROLMENT = (
    Work(kind, datetime.now(UTC)) for kind in (Kind.LIVE, Kind.BACKLOG, Kind.ENROLMENT)
)


class HeldIdentify:
    """Waits in its first image until it is let go, so that others gather."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.analysed: list[bytes] = []
        self.batches: list[int] = []
        self.scopes: list[frozenset[PersonId] | None] = []

    def analyse(self, image: bytes, *, orientation: int = 1) -> Analysis:
        self.analysed.append(image)
        self.begun.set()
        self.go.wait(10)
        if image == b"broken":
            raise UndecodableImage("paint spilled", others_pass=True)
        return NoFace()

    def decide(self, captures: Sequence[AnalysedCapture]) -> list[CaptureResult]:
        self.batches.append(len(captures))
        self.scopes += [capture.scope for capture in captures]
        if any(capture.org_id == "bug" for capture in captures):
            raise ZeroDivisionError
        return [CaptureResult(Outcome.NO_FACE, MODEL) for _ in captures]


def enrol(
    photos: Sequence[Photo],
    *,
    org_id: OrgId,
    person_id: PersonId,
    accepted_lookalikes: Collection[PersonId] = (),
) -> EnrolmentResult:
    return EnrolmentResult(MODEL, ())


async def begun(identify: HeldIdentify) -> None:
    assert await asyncio.to_thread(identify.begun.wait, 10)


async def test_captures_gather_while_the_thread_works() -> None:
    identify, sizes = HeldIdentify(), list[int]()
    async with BatchedInference(identify, enrol, batch_size=4, on_batch=sizes.append) as inference:
        first = asyncio.create_task(inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1))
        await begun(identify)
        others = [
            asyncio.create_task(inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1))
            for _ in range(6)
        ]
        await asyncio.sleep(0)
        identify.go.set()
        results = await asyncio.gather(first, *others)
    assert sizes == identify.batches == [1, 4, 2]
    assert all(result.outcome is Outcome.NO_FACE for result in results)


async def test_each_capture_keeps_its_scope() -> None:
    identify, scope = HeldIdentify(), frozenset({PersonId("ada")})
    identify.go.set()
    async with BatchedInference(identify, enrol) as inference:
        await inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1, scope=scope)
        await inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1)
    assert identify.scopes == [scope, None]


async def test_one_broken_image_does_not_spoil_its_batch() -> None:
    identify = HeldIdentify()
    async with BatchedInference(identify, enrol) as inference:
        held = asyncio.create_task(inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1))
        await begun(identify)
        images = [b"x", b"broken", b"x"]
        tasks = [
            asyncio.create_task(inference.identify(image, work=LIVE, org_id=ORG, orientation=1))
            for image in images
        ]
        await asyncio.sleep(0)
        identify.go.set()
        good, broken, also_good = await asyncio.gather(*tasks, return_exceptions=True)
        await held
    assert isinstance(broken, PoisonRecord)
    assert broken.reason == "undecodable-image"
    assert broken.others_pass
    assert isinstance(good, CaptureResult)
    assert isinstance(also_good, CaptureResult)


async def test_a_bug_reaches_the_capture_and_not_the_next_one() -> None:
    identify = HeldIdentify()
    identify.go.set()
    async with BatchedInference(identify, enrol) as inference:
        with pytest.raises(ZeroDivisionError):
            await inference.identify(b"x", work=LIVE, org_id=OrgId("bug"), orientation=1)
        assert (
            await inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1)
        ).outcome is Outcome.NO_FACE


async def test_an_enrolment_takes_its_turn() -> None:
    identify = HeldIdentify()
    async with BatchedInference(identify, enrol) as inference:
        capture = asyncio.create_task(inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1))
        await begun(identify)
        enrolment = asyncio.create_task(
            inference.enrol([], work=ENROLMENT, org_id=ORG, person_id=PersonId("ada"))
        )
        await asyncio.sleep(0)
        assert not enrolment.done()
        identify.go.set()
        assert (await enrolment).photos == ()
        await capture


async def test_a_capture_given_up_does_not_break_its_batch() -> None:
    identify = HeldIdentify()
    async with BatchedInference(identify, enrol) as inference:
        abandoned = asyncio.create_task(inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1))
        await begun(identify)
        abandoned.cancel()
        identify.go.set()
        assert (
            await inference.identify(b"x", work=LIVE, org_id=ORG, orientation=1)
        ).outcome is Outcome.NO_FACE


async def test_a_live_capture_is_in_the_next_batch_and_the_backlog_fills_it() -> None:
    identify = HeldIdentify()
    async with BatchedInference(identify, enrol, batch_size=4) as inference:

        def send(image: bytes, work: Work) -> asyncio.Task[CaptureResult]:
            return asyncio.create_task(inference.identify(image, work=work, org_id=ORG, orientation=1))

        tasks = [send(b"first", BACKLOG)]
        await begun(identify)
        tasks += [send(b"old", BACKLOG) for _ in range(20)] + [send(b"live", LIVE)]
        await asyncio.sleep(0)
        identify.go.set()
        await asyncio.gather(*tasks)
    assert identify.batches == [1, 4, 4, 4, 4, 4, 1]
    assert identify.analysed[1:5].count(b"live") == 1


async def test_the_backlog_gets_on_though_live_captures_and_enrolments_wait_all_the_time() -> None:
    identify = HeldIdentify()
    async with BatchedInference(identify, enrol, batch_size=4) as inference:

        def send(image: bytes, work: Work) -> asyncio.Task[object]:
            return asyncio.create_task(inference.identify(image, work=work, org_id=ORG, orientation=1))

        tasks = [send(b"first", LIVE)]
        await begun(identify)
        tasks += [send(b"live", LIVE) for _ in range(2000)] + [send(b"old", BACKLOG) for _ in range(5)]
        tasks += [
            asyncio.create_task(inference.enrol([], work=ENROLMENT, org_id=ORG, person_id=PersonId("ada")))
            for _ in range(3)
        ]
        await asyncio.sleep(0)
        identify.go.set()
        await asyncio.gather(*tasks)
    old = [number for number, image in enumerate(identify.analysed) if image == b"old"]
    share = SHARES[Kind.BACKLOG]
    assert max(old) < (len(old) + share.patience) / share.least + 50
    assert identify.analysed[max(old) :].count(b"live") >= 500


async def test_a_bug_reaches_the_enrolment() -> None:
    def broken(*_: object, **__: object) -> EnrolmentResult:
        raise ZeroDivisionError

    async with BatchedInference(HeldIdentify(), broken) as inference:
        with pytest.raises(ZeroDivisionError):
            await inference.enrol([], work=ENROLMENT, org_id=ORG, person_id=PersonId("ada"))
