"""Captures of four threads at once: every answer is that of one thread, one capture after the other."""

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recognition_worker.adapters.batched_inference import BatchedInference
from recognition_worker.adapters.models.manifest_files import packaged_manifest
from recognition_worker.adapters.models.packaged_models import ModelFiles
from recognition_worker.composition.lane_loader import load_eyes
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import OrgId, PersonId, Template, TemplateId
from recognition_worker.recognition.enrol_person import Photo
from recognition_worker.recognition.results import CaptureResult
from recognition_worker.rollout.model_lanes import Lane

THREADS = 4
EACH = int(os.environ.get("CAPTURES_PER_THREAD", "250"))
PHOTOS = 300
AT_ONCE = 12  # captures of one sender under way, so that batches are full and mixed
ORG = OrgId("acme")
LIVE = Work(Kind.LIVE, datetime.now(UTC))

pytestmark = pytest.mark.timeout(120 + EACH)


@pytest.fixture
def enrolled(model_files: ModelFiles, faces_dir: Path) -> Lane:
    lane = load_eyes(model_files.deepface_home).load(packaged_manifest())
    for folder in sorted((faces_dir / "known").iterdir())[:100]:
        person = PersonId(folder.name)
        photos = [Photo((folder / f"{number}.jpg").read_bytes()) for number in (1, 2)]
        for number, photo in enumerate(lane.enrol(photos, org_id=ORG, person_id=person).photos):
            if photo.embedding is not None:
                name = TemplateId(str(number))
                lane.gallery.add(Template(ORG, person, name, lane.model, photo.embedding))
    return lane


def without_timings(result: CaptureResult) -> CaptureResult:
    return replace(result, timings_ms={})


def photos(faces_dir: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(faces_dir.rglob("*.jpg"))[:PHOTOS]]


async def test_four_threads_answer_as_one(enrolled: Lane, faces_dir: Path) -> None:
    images = photos(faces_dir)
    alone = [without_timings(enrolled.identify(image, org_id=ORG)) for image in images]
    assert len({str(result.outcome) for result in alone}) > 1

    async with BatchedInference(enrolled.identify, enrolled.enrol, threads=THREADS) as inference:

        async def send(seed: int) -> int:
            order = [number % len(images) for number in range(EACH)]
            random.Random(seed).shuffle(order)
            slots = asyncio.Semaphore(AT_ONCE)

            async def one(number: int) -> bool:
                async with slots:
                    found = await inference.identify(images[number], work=LIVE, org_id=ORG, orientation=1)
                return without_timings(found) != alone[number]

            wrong: Sequence[bool] = await asyncio.gather(*[one(number) for number in order])
            assert len(wrong) == EACH
            return sum(wrong)

        differing = await asyncio.gather(*[send(seed) for seed in range(THREADS)])
    assert differing == [0] * THREADS
