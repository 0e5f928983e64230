from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.events import CaptureReceived, Event, TemplateEnrolled
from attendance_schemas.golden import golden_examples
from recognition_worker.adapters.kafka_gallery_view import GalleryFeed
from recognition_worker.domain.gallery import InMemoryGallery
from recognition_worker.domain.identity import ModelId
from recognition_worker.metrics import RecognitionMetrics
from service_kit.records import Record

MODEL = ModelId("Paint", "1")
DIMENSIONS = 4
GOLDEN = next(event for _, event, _ in golden_examples(TemplateEnrolled))
assert isinstance(GOLDEN, TemplateEnrolled)
TEMPLATE = msgspec.structs.replace(
    GOLDEN,
    person_id="ada",
    model_name=MODEL.name,
    model_version=MODEL.version,
    dimensions=DIMENSIONS,
    embedding=np.array([1, 0, 0, 0], "<f4").tobytes(),
)


class Schemas:
    """A registry with two schemas."""

    away = False

    async def schema_by_id(self, schema_id: int) -> str:
        if self.away:
            raise RegistryUnavailable("away")
        return schema_text({1: "TemplateEnrolled", 2: "CaptureReceived"}[schema_id])

    async def id_of(self, subject: str, schema: str) -> int:
        return 1


class Kept:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.gallery = InMemoryGallery(MODEL, DIMENSIONS)
        self.schemas = Schemas()
        self.feed = GalleryFeed(self.gallery, MODEL, Codec(self.schemas), RecognitionMetrics(self.registry))

    async def put(self, event: Event, key: str | None = None) -> None:
        number = 1 if isinstance(event, TemplateEnrolled) else 2
        if key is None:
            assert isinstance(event, TemplateEnrolled)
            key = f"{event.person_id}:{event.template_id}"
        await self.apply(key, FRAME.pack(MAGIC, number) + encode_body(event))

    async def apply(self, key: str, value: bytes | None) -> None:
        await self.feed.apply(Record("gallery", 0, 0, key.encode(), value, (), datetime.now(UTC)))

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def ignored(self, reason: str) -> float | None:
        return self.metric("recognition_gallery_ignored_templates_total", reason=reason)


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_a_template_twice_is_there_once(kept: Kept) -> None:
    await kept.put(TEMPLATE)
    await kept.put(TEMPLATE)
    assert kept.gallery.template_count == 1
    assert kept.metric("recognition_gallery_templates") == 1
    assert kept.metric("recognition_gallery_people") == 1


async def test_a_tombstone_erases(kept: Kept) -> None:
    await kept.put(TEMPLATE)
    await kept.apply(f"ada:{TEMPLATE.template_id}", None)
    await kept.apply("nobody:t", None)
    assert kept.gallery.template_count == 0
    assert kept.metric("recognition_gallery_people") == 0


async def test_another_model_is_left_out_and_counted(kept: Kept) -> None:
    with capture_logs() as logs:
        for person in ("ada", "bob"):
            await kept.put(msgspec.structs.replace(TEMPLATE, person_id=person, model_version="2"))
    assert kept.gallery.template_count == 0
    assert kept.ignored("other-model") == 2
    # Said once, with what to do: a gallery may have thousands.
    [said] = [entry["error"] for entry in logs]
    assert "templates of model Paint 2, this worker compares Paint 1" in said
    assert "enrol them again" in said


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"embedding": b"1234"}, "unreadable"),
        ({"embedding": np.array([2, 0, 0, 0], "<f4").tobytes()}, "mismatch"),
        ({"embedding": np.array([1, 0], "<f4").tobytes(), "dimensions": 2}, "mismatch"),
    ],
)
async def test_a_wrong_embedding_is_left_out(kept: Kept, change: dict[str, object], reason: str) -> None:
    await kept.put(msgspec.structs.replace(TEMPLATE, **change))
    assert kept.gallery.template_count == 0
    assert kept.ignored(reason) == 1


async def test_what_is_no_template_is_left_out(kept: Kept) -> None:
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    await kept.put(capture, "ada:t")
    await kept.put(TEMPLATE, "bob:t")
    await kept.apply("no-key", None)
    await kept.apply("ada:t", b"not avro")
    assert kept.ignored("unreadable") == 4


async def test_a_registry_that_is_away_is_no_reason_to_leave_out(kept: Kept) -> None:
    kept.schemas.away = True
    with pytest.raises(RegistryUnavailable):
        await kept.put(TEMPLATE)
