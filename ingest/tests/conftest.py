import io
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from PIL import Image

from attendance_schemas.events import (
    Authority,
    CaptureReceived,
    DeviceKind,
    DeviceRecorded,
    Event,
    OrganisationRecorded,
    PeriodLocked,
    PersonRecorded,
    PunchAdded,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
    SiteRecorded,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import DIRECTORY, Topic
from ingest.domain.directory import DirectoryView, Write
from ingest.domain.sequence_ranges import DeviceKey, SequenceRanges
from ingest.first_accepted import first_accepted
from service_kit.errors import TransientFailure

NOW = datetime(2026, 3, 2, 2, 31, 7, 911000, tzinfo=UTC)


@dataclass
class Journal:
    """The order of what the fakes were asked for."""

    steps: list[str] = field(default_factory=list)


@dataclass
class FakeImageStore:
    journal: Journal = field(default_factory=Journal)
    bucket: str = "images"
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    is_away: bool = False

    async def put_new(self, key: str, data: bytes, *, media_type: str) -> bool:
        if self.is_away:
            raise TransientFailure("object-store", "away")
        self.journal.steps.append("put " + key.partition("/")[0])
        if key in self.objects:
            return False
        self.objects[key] = (data, media_type)
        return True

    async def read(self, key: str) -> bytes:
        return self.objects[key][0]

    async def find(self, key: str) -> bytes | None:
        if self.is_away:
            raise TransientFailure("object-store", "away")
        return self.objects[key][0] if key in self.objects else None


THEIR_SITE = "delhi"


async def remember(store: FakeImageStore, org_id: str) -> dict[str, UUID]:
    """Let an organisation have accepted something of every kind, in Pune and in Delhi; return the ids."""
    common = {"event_id": UUID(int=1), "occurred_at": NOW, "recorded_at": NOW, "org_id": org_id}
    hr = common | {"authority": Authority(subject="hr-1", role="hr"), "reason": "asked"}
    capture = next(event for _, event, _ in golden_examples(CaptureReceived))
    punch = next(event for _, event, _ in golden_examples(PunchSubmitted))
    march = {"starts_on": date(2026, 2, 1), "ends_on": date(2026, 2, 28)}
    ids = {}
    for number, (site, person) in enumerate({"pune": "p-2", THEIR_SITE: "p-4"}.items()):
        added = hr | {"person_id": person, "home_site_id": site}
        names = ("capture", "punch", "addition", "added", "void", "review", "lock")
        new = {name: UUID(int=1000 * (number + 1) + each) for each, name in enumerate(names)}
        addition = PunchAdded(**added, correction_id=new["addition"], punch_id=new["added"])
        events: dict[str, Event] = {
            "capture": replace(capture, org_id=org_id, capture_id=new["capture"], site_id=site),
            "punch": replace(punch, org_id=org_id, punch_id=new["punch"], site_id=site),
            "addition": addition,
            "added": addition,
            "void": PunchVoided(**added, correction_id=new["void"], punch_id=new["punch"]),
            "review": ReviewDecided(**added, review_id=new["review"], capture_id=new["capture"]),
            "lock": PeriodLocked(**hr, **march, lock_id=new["lock"], site_id=site),
        }
        for name, event in events.items():
            await first_accepted(event, new[name], store, lambda _one, _other: False)
        ids |= {name if site == "pune" else f"{name} in {site}": each for name, each in new.items()}
    store.journal.steps.clear()
    return ids


@dataclass
class FakePublisher:
    journal: Journal = field(default_factory=Journal)
    published: list[tuple[Topic, Event]] = field(default_factory=list)
    is_away: bool = False

    async def publish(self, event: Event, topic: Topic) -> None:
        if self.is_away:
            raise TransientFailure("kafka", "away")
        self.journal.steps.append("publish")
        self.published.append((topic, event))


@dataclass
class FakeDeviceSequences:
    journal: Journal = field(default_factory=Journal)
    is_away: bool = False
    ranges: dict[DeviceKey, SequenceRanges] = field(default_factory=dict)

    async def record(self, device: DeviceKey, sequence: int) -> int | None:
        if self.is_away:
            return None
        self.journal.steps.append("count")
        found = self.ranges.setdefault(device, SequenceRanges())
        found.add(sequence)
        return found.acknowledged

    async def highest_if_used(self, device: DeviceKey, sequence: int) -> int | None:
        if self.is_away:
            return None
        return self.ranges.get(device, SequenceRanges()).highest_if_used(sequence)


@dataclass
class FakeDirectory:
    view: DirectoryView = field(default_factory=DirectoryView)
    recorded: list[Event] = field(default_factory=list)
    taken_back: list[tuple[Event, Authority]] = field(default_factory=list)
    is_away: bool = False
    # What another process records first, at the same time.
    rivals: list[Event] = field(default_factory=list)
    # Whether that other process is first each time.
    is_slow: bool = False

    async def record(self, events: Sequence[Event]) -> Sequence[Event]:
        if self.is_away:
            raise TransientFailure("kafka", "away")
        writes = [self.view.write_of(event) for event in events]
        for rival in self.rivals:
            self._apply(self.view.write_of(rival))
        if not self.is_slow:
            self.rivals.clear()
        overtaken = [event for event, write in zip(events, writes, strict=True) if not self._apply(write)]
        self.recorded += [event for event in events if event not in overtaken]
        return overtaken

    async def take_back(self, event: Event, authority: Authority) -> bool:
        write = self.view.end_of(event, authority)
        for rival in self.rivals:
            self._apply(self.view.write_of(rival))
        self.rivals.clear()
        if counts := self._apply(write):
            self.taken_back.append((event, authority))
        return counts

    def _apply(self, write: Write) -> bool:
        return self.view.apply(write.key, write.event, version=write.version, ended_by=write.ended_by)


@dataclass
class FakeClock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def images(journal: Journal) -> FakeImageStore:
    return FakeImageStore(journal)


@pytest.fixture
async def accepted(images: FakeImageStore) -> dict[str, UUID]:
    """Return the ids of what Acme has accepted, by kind; `KIND in delhi` is at the other site."""
    return await remember(images, "acme")


@pytest.fixture
def remember_for(images: FakeImageStore) -> Callable[[str], Awaitable[dict[str, UUID]]]:
    """Return how another organisation gets the same."""
    return lambda org_id: remember(images, org_id)


@pytest.fixture
def publisher(journal: Journal) -> FakePublisher:
    return FakePublisher(journal)


@pytest.fixture
def sequences(journal: Journal) -> FakeDeviceSequences:
    return FakeDeviceSequences(journal)


@pytest.fixture
def directory() -> FakeDirectory:
    """An organisation with a site, a kiosk, a revoked kiosk and two people; and a kiosk of another one."""
    known = FakeDirectory()
    for number, (kind, fields) in enumerate(DIRECTORY_RECORDS, start=1):
        common = {"org_id": "acme", "event_id": UUID(int=number), "occurred_at": NOW, "recorded_at": NOW}
        event = kind(**{**common, **fields})
        known.view.apply(DIRECTORY.key_of(event).decode(), event)
    return known


DIRECTORY_RECORDS: list[tuple[type[Event], dict[str, object]]] = [
    (OrganisationRecorded, {"name": "Acme", "time_zone": "Asia/Kolkata"}),
    (SiteRecorded, {"site_id": "pune", "name": "Pune", "time_zone": "Asia/Kolkata"}),
    (
        DeviceRecorded,
        {"device_id": "gate-1", "site_id": "pune", "name": "Gate 1", "kind": DeviceKind.KIOSK},
    ),
    (
        DeviceRecorded,
        {"device_id": "gate-2", "site_id": "pune", "name": "2", "kind": DeviceKind.KIOSK, "revoked": True},
    ),
    (PersonRecorded, {"person_id": "p-1", "home_site_id": "pune", "display_name": "Asha Rao"}),
    (PersonRecorded, {"person_id": "p-2", "home_site_id": "pune", "display_name": "Usha Rao"}),
    (
        DeviceRecorded,
        {"org_id": "globex", "device_id": "far-1", "site_id": "x", "name": "x", "kind": DeviceKind.KIOSK},
    ),
]


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Return a picture of random pixels, in any format, with the options of Pillow's `save`."""

    def make(
        size: tuple[int, int] = (48, 36),
        kind: str = "JPEG",
        seed: int = 1,
        mode: str = "RGB",
        **options: object,
    ) -> bytes:
        channels = {"RGB": 3, "RGBA": 4, "L": 1, "CMYK": 4}[mode]
        noise = random.Random(seed).randbytes(size[0] * size[1] * channels)
        buffer = io.BytesIO()
        Image.frombytes(mode, size, noise).save(buffer, kind, **options)
        return buffer.getvalue()

    return make


@pytest.fixture
def new_capture_id() -> Callable[..., UUID]:
    """Return a UUIDv7 of an instant, by default of the fixed one of the tests."""
    numbers = random.Random(7)

    def make(at: datetime = NOW) -> UUID:
        milliseconds = int(at.timestamp() * 1000)
        bits = (
            milliseconds << 80
            | 7 << 76
            | numbers.getrandbits(12) << 64
            | 0b10 << 62
            | numbers.getrandbits(62)
        )
        return UUID(int=bits)

    return make
