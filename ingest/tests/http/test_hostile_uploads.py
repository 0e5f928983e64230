"""What a device is told about each kind of hostile image: final, by the right status, and what to do."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from attendance_testing.faces import folder_of_faces
from attendance_testing.fake_tokens import always_ready
from attendance_testing.hostile_images import (
    KINDS,
    LIMIT_BYTES,
    LIMIT_PIXELS,
    LIMIT_SIDE_PX,
    Album,
    Kind,
    album_of,
    example,
)
from ingest.app import Desks, Rules, create_app
from ingest.captures.accept_capture import CaptureDesk
from ingest.corrections.record_correction import CorrectionDesk
from ingest.directory.record_directory import DirectoryDesk
from ingest.domain.acceptable_image import ImageLimits
from ingest.enrolments.erase_biometrics import ErasureDesk
from ingest.enrolments.request_enrolment import EnrolmentDesk
from ingest.http.authentication import Doorkeeper
from ingest.metrics import IngestMetrics
from ingest.punches.accept_punch import PunchDesk
from service_kit.http.problems import MEDIA_TYPE
from service_kit.http.tokens import Claims
from service_kit.observing.health import Health

STATUS = {
    "empty-image": 422,
    "unsupported-image-type": 415,
    "unsupported-image-coding": 415,
    "image-too-large": 413,
    "too-many-pixels": 413,
    "image-too-small": 422,
    "image-too-complex": 422,
    "damaged-image-header": 422,
    "animated-image": 422,
}
ADVICE = ("; send ", "; save it ", "; take ")
# By the text, which names the type that was found.
NAMED = {
    "GIF, animated": "a GIF",
    "HEIC": "Most Compatible",
    "text named .jpg": "text",
    "HTML named .jpg": "text",
    "zero bytes only": "nothing but zero bytes",
    "SVG": "SVG",
    "TIFF": "TIFF",
    "AVIF": "AVIF",
    "MP4": "video",
    "JPEG XL": "JPEG XL",
    "JPEG 2000": "JPEG 2000",
    "noise": "no known type",
}


class AnyToken:
    async def verify(self, token: str) -> Claims:
        return Claims("gate-1", frozenset({"device"}), "acme", None, {})


@dataclass
class Door:
    client: httpx.AsyncClient
    number: int = 0

    async def send(self, capture_id: object, now: str, image: bytes, media_type: str) -> httpx.Response:
        self.number += 1
        metadata = {"capture_id": str(capture_id), "device_sequence": self.number, "captured_at": now}
        return await self.client.post(
            "/v1/captures",
            headers={"Authorization": "Bearer x"},
            files={
                "metadata": (None, json.dumps(metadata)),
                "image": ("photo.jpg", image, media_type),
            },
        )


@pytest.fixture
async def door(images, publisher, sequences, directory, clock) -> AsyncIterator[Door]:
    limits = ImageLimits(LIMIT_BYTES, LIMIT_PIXELS, LIMIT_SIDE_PX)
    registry = CollectorRegistry()
    app = create_app(
        Doorkeeper(AnyToken(), directory, always_ready),
        Desks(
            CaptureDesk(images, publisher, sequences, clock, limits, timedelta(days=62)),
            EnrolmentDesk(images, publisher, directory, clock, limits),
            DirectoryDesk(directory, clock),
            ErasureDesk(publisher, directory, clock),
            PunchDesk(images, publisher, directory, sequences, clock, timedelta(days=62)),
            CorrectionDesk(images, publisher, directory, clock),
        ),
        Rules("https://query.example", enrolment_bytes=4 * LIMIT_BYTES, import_bytes=10_000),
        IngestMetrics(registry),
        health=Health(),
        registry=registry,
    )
    async with httpx.AsyncClient(base_url="http://ingest", transport=httpx.ASGITransport(app)) as client:
        yield Door(client)


@pytest.fixture(scope="module")
def album() -> Album:
    return album_of(folder_of_faces(), count=3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.every < 30], ids=lambda kind: kind.name)
async def test_a_device_is_told_what_to_do(
    door, images, publisher, new_capture_id, now, album: Album, kind: Kind
):
    image = example(kind, album)
    # What the sender calls it does not count.
    response = await door.send(new_capture_id(), now.isoformat(), image, "text/plain")
    if response.status_code == 202:
        assert "accepted" in kind.door
        assert len(publisher.published) == 1
        return
    problem = response.json()
    slug = problem["type"].removeprefix("urn:problem:")
    if slug == "request-too-large":
        assert len(image) > LIMIT_BYTES
        assert response.status_code == 413
    else:
        assert slug in kind.door.split(" | ")
        assert response.status_code == STATUS[slug]
        assert any(advice in problem["detail"] for advice in ADVICE), problem["detail"]
        assert NAMED.get(kind.name, "") in problem["detail"]
    assert response.headers["content-type"] == MEDIA_TYPE
    assert "Retry-After" not in response.headers
    assert (images.objects, publisher.published) == ({}, [])
