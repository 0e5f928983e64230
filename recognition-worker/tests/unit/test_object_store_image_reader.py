import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from recognition_worker.adapters.object_store_image_reader import TRIES, ObjectStoreImageReader
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import ImageRef
from service_kit.backoff import Backoff
from service_kit.errors import ObjectNotFound, PoisonRecord, TransientFailure

DATA = b"a photo"
LIVE = Work(Kind.LIVE, datetime.now(UTC))
IMAGE = ImageRef("images", "k", hashlib.sha256(DATA).hexdigest(), "image/jpeg")


class Shelf:
    """An object store that answers from a list, one call after the other."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self._answers = list(answers)
        self.calls = 0
        self.now = self.most = 0

    async def get(self, bucket: str, key: str) -> bytes:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def reader(shelf: Shelf, at_once: int = 8) -> ObjectStoreImageReader:
    quick = timedelta(microseconds=1)
    return ObjectStoreImageReader(shelf, at_once=at_once, backoff=lambda: Backoff(quick, quick))


async def test_the_bytes_are_proven() -> None:
    assert await reader(Shelf(DATA)).read(IMAGE, LIVE) == DATA
    with pytest.raises(PoisonRecord, match="image-altered"):
        await reader(Shelf(b"another")).read(IMAGE, LIVE)


async def test_a_missing_object_is_looked_for_five_times() -> None:
    shelf = Shelf(ObjectNotFound("no object images/k"))
    with pytest.raises(PoisonRecord, match="image-missing"):
        await reader(shelf).read(IMAGE, LIVE)
    assert shelf.calls == TRIES


async def test_an_object_that_comes_late_is_found() -> None:
    absent = ObjectNotFound("no object images/k")
    assert await reader(Shelf(absent, absent, DATA)).read(IMAGE, LIVE) == DATA


async def test_a_store_that_is_away_is_no_poison() -> None:
    shelf = Shelf(TransientFailure("object-store", "away"))
    with pytest.raises(TransientFailure):
        await reader(shelf).read(IMAGE, LIVE)
    assert shelf.calls == 1


async def test_fetches_are_bounded() -> None:
    shelf = Shelf(DATA)
    bounded = reader(shelf, at_once=3)
    await asyncio.gather(*(bounded.read(IMAGE, LIVE) for _ in range(20)))
    assert shelf.most == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"another",
        ObjectNotFound("no object images/enrolments/acme/p-ada/1/1"),
        TransientFailure("object-store", "Max retries exceeded with url: /images/enrolments/acme/p-ada/1/1"),
    ],
)
async def test_no_message_names_the_person_of_a_photo(answer: bytes | Exception) -> None:
    photo = ImageRef("images", "enrolments/acme/p-ada/1/1", "0" * 64, "image/jpeg")
    with pytest.raises((PoisonRecord, TransientFailure)) as failure:
        await reader(Shelf(answer)).read(photo, LIVE)
    assert "p-ada" not in str(failure.value)
