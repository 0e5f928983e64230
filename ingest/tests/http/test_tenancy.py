"""The door's half of the tenancy matrix: every writing operation, with every kind of id, two wrong ones too.

What comes of it behind the door is tried with real services, in `tests` at the root.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from attendance_testing.fake_tokens import FakeVerifier, always_ready
from attendance_testing.tenancy.cases import cases
from attendance_testing.tenancy.door import OURS, THEIRS, Door
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

OLDEST, LARGEST = timedelta(days=62), 10**6


def clock() -> datetime:
    return datetime.now(UTC)


def sign(role: str, subject: str, org_id: str, sites: tuple[str, ...]) -> str:
    return json.dumps({"sub": subject, "roles": [role], "tenant": org_id, "sites": list(sites)})


@pytest.fixture
async def door(images, publisher, sequences, directory) -> AsyncIterator[Door]:
    """Two organisations that use the same ids; the other one used them first."""
    registry, limits = CollectorRegistry(), ImageLimits(LARGEST, LARGEST, 1)
    desks = Desks(
        CaptureDesk(images, publisher, sequences, clock, limits, OLDEST),
        EnrolmentDesk(images, publisher, directory, clock, limits),
        DirectoryDesk(directory, clock),
        ErasureDesk(publisher, directory, clock),
        PunchDesk(images, publisher, directory, sequences, clock, OLDEST),
        CorrectionDesk(images, publisher, directory, clock),
    )
    doorkeeper = Doorkeeper(FakeVerifier(), directory, always_ready)
    rules = Rules("https://query.example", LARGEST, LARGEST)
    app = create_app(doorkeeper, desks, rules, IngestMetrics(registry), health=Health(), registry=registry)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        made = Door(client, "http://ingest", sign)
        await made.settle(THEIRS, ("1", "2", "b"))
        await made.settle(OURS, ("1", "2", "a"))
        yield made


async def test_the_door_opens_for_what_is_ones_own_only(door: Door, publisher, directory) -> None:
    assert await door.uncovered() == set()
    tried = cases(pairs=True)
    written = len(publisher.published), len(directory.recorded), len(directory.taken_back)
    await door.refused([case for case in tried if not case.is_accepted])
    assert (len(publisher.published), len(directory.recorded), len(directory.taken_back)) == written
    await door.accepted([case for case in tried if case.is_accepted])
    of_others = [event for _, event in publisher.published[written[0] :] if event.org_id != OURS]
    assert of_others == []
