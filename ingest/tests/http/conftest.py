"""The app of ingest over fakes, with one person who has a badge."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.events import (
    PersonRecorded,
)
from attendance_schemas.topics import DIRECTORY
from attendance_testing.fake_tokens import FakeVerifier, always_ready
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
from service_kit.observing.health import Health

OLDEST = timedelta(days=62)


@dataclass
class Front:
    client: httpx.AsyncClient
    registry: CollectorRegistry

    async def post(self, path: str, document: dict[str, object], headers: dict[str, str]) -> httpx.Response:
        return await self.client.post(path, headers=headers, json=document)


@pytest.fixture
async def front(images, publisher, sequences, directory, clock, now) -> AsyncIterator[Front]:
    person = PersonRecorded(
        event_id=UUID(int=9),
        occurred_at=now,
        recorded_at=now,
        org_id="acme",
        person_id="p-2",
        home_site_id="pune",
        display_name="Binod",
        badge="B-7",
    )
    directory.view.apply(DIRECTORY.key_of(person).decode(), person)
    registry, limits = CollectorRegistry(), ImageLimits(1000, 1000, 1)
    app = create_app(
        Doorkeeper(FakeVerifier(), directory, always_ready),
        Desks(
            CaptureDesk(images, publisher, sequences, clock, limits, OLDEST),
            EnrolmentDesk(images, publisher, directory, clock, limits),
            DirectoryDesk(directory, clock),
            ErasureDesk(publisher, directory, clock),
            PunchDesk(images, publisher, directory, sequences, clock, OLDEST),
            CorrectionDesk(images, publisher, directory, clock),
        ),
        Rules("https://query.example", enrolment_bytes=1000, import_bytes=1000),
        IngestMetrics(registry),
        health=Health(),
        registry=registry,
    )
    inner = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(base_url="http://ingest", transport=inner) as client:
        yield Front(client, registry)
