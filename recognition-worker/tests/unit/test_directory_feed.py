from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.events import (
    DeviceRecorded,
    Event,
    IdentificationScope,
    PersonRecorded,
    RosterRecorded,
    SiteRecorded,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import DIRECTORY
from recognition_worker.adapters.topics.kafka_directory_view import DirectoryFeed
from recognition_worker.domain.identity import Device, DeviceId, OrgId, Site, SiteId
from recognition_worker.domain.site_people import ScopeKind, SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from service_kit.kafka.records import Record

NAMES = ("SiteRecorded", "PersonRecorded", "RosterRecorded", "DeviceRecorded")
PEOPLE = [event for _, event, _ in golden_examples(PersonRecorded) if isinstance(event, PersonRecorded)]
SITE = next(
    event
    for _, event, _ in golden_examples(SiteRecorded)
    if isinstance(event, SiteRecorded) and event.identification_scope is IdentificationScope.SITE
)
PERSON = msgspec.structs.replace(PEOPLE[0], person_id="ada", home_site_id=SITE.site_id, org_id=SITE.org_id)
CAMERA = next(
    event
    for _, event, _ in golden_examples(DeviceRecorded)
    if isinstance(event, DeviceRecorded) and event.image_turn_degrees
)
ORG = OrgId(SITE.org_id)


class Schemas:
    away = False

    async def schema_by_id(self, schema_id: int) -> str:
        if self.away:
            raise RegistryUnavailable("away")
        return schema_text(NAMES[schema_id])

    async def id_of(self, subject: str, schema: str) -> int:
        return 0


class Kept:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.people = SitePeople()
        self.cameras = CameraTurns()
        self.schemas = Schemas()
        metrics = RecognitionMetrics(self.registry)
        self.feed = DirectoryFeed(self.people, self.cameras, Codec(self.schemas), metrics)

    async def put(self, event: Event, key: bytes | None = None) -> None:
        value = FRAME.pack(MAGIC, NAMES.index(type(event).__name__)) + encode_body(event)
        await self.apply(key or DIRECTORY.key_of(event), value)

    async def apply(self, key: bytes, value: bytes | None) -> None:
        await self.feed.apply(Record("directory", 0, 0, key, value, (), datetime.now(UTC)))

    def scope(self, org_id: OrgId = ORG) -> tuple[ScopeKind, frozenset[str] | None]:
        found = self.people.scope_of(Site(org_id, SiteId(SITE.site_id)))
        return found.kind, found.people

    def turn(self, org_id: OrgId = ORG) -> int:
        return self.cameras.degrees_of(Device(org_id, DeviceId(CAMERA.device_id)))

    def ignored(self) -> float | None:
        return self.registry.get_sample_value("recognition_directory_ignored_records_total")


@pytest.fixture
def kept() -> Kept:
    return Kept()


async def test_sites_and_people_make_a_scope(kept: Kept) -> None:
    await kept.put(PERSON)
    assert kept.scope() == (ScopeKind.UNKNOWN_SITE, None)
    await kept.put(SITE)
    assert kept.scope() == (ScopeKind.SITE, {"ada"})
    await kept.put(msgspec.structs.replace(PERSON, home_site_id="elsewhere"))
    assert kept.scope() == (ScopeKind.SITE, frozenset())
    whole = msgspec.structs.replace(SITE, identification_scope=IdentificationScope.ORGANISATION)
    await kept.put(whole)
    assert kept.scope() == (ScopeKind.ORGANISATION, None)


async def test_tombstones_forget(kept: Kept) -> None:
    await kept.put(PERSON)
    await kept.put(SITE)
    await kept.apply(DIRECTORY.key_of(PERSON), None)
    assert kept.scope() == (ScopeKind.SITE, frozenset())
    await kept.apply(DIRECTORY.key_of(SITE), None)
    assert kept.scope() == (ScopeKind.UNKNOWN_SITE, None)


async def test_the_same_ids_in_another_organisation_are_another_site_and_person(kept: Kept) -> None:
    globex = OrgId("globex")
    for event in (SITE, PERSON):
        await kept.put(event)
        await kept.put(msgspec.structs.replace(event, org_id=globex))
    await kept.put(msgspec.structs.replace(PERSON, org_id=globex, home_site_id="elsewhere"))
    assert (kept.scope(), kept.scope(globex)) == ((ScopeKind.SITE, {"ada"}), (ScopeKind.SITE, frozenset()))
    for event in (PERSON, SITE):
        await kept.apply(DIRECTORY.key_of(msgspec.structs.replace(event, org_id=globex)), None)
    assert (kept.scope(), kept.scope(globex)[0]) == ((ScopeKind.SITE, {"ada"}), ScopeKind.UNKNOWN_SITE)


async def test_other_records_do_not_matter(kept: Kept) -> None:
    kept.schemas.away = True  # they are not even decoded
    await kept.put(next(event for _, event, _ in golden_examples(RosterRecorded)))
    await kept.apply(b"acme:roster:1", None)
    assert kept.ignored() == 0


async def test_what_cannot_be_read_is_counted_and_left_out(kept: Kept) -> None:
    await kept.put(SITE)
    await kept.apply(DIRECTORY.key_of(PERSON), b"\x07 not avro")
    for key in ("{}:person:bob", "{}:site:ada", "globex:person:ada"):
        await kept.put(PERSON, key.format(ORG).encode())
    await kept.put(SITE, f"globex:site:{SITE.site_id}".encode())
    assert kept.ignored() == 5
    assert kept.scope() == (ScopeKind.SITE, frozenset())


async def test_a_registry_that_is_away_is_no_reason_to_leave_out(kept: Kept) -> None:
    kept.schemas.away = True
    with pytest.raises(RegistryUnavailable):
        await kept.put(SITE)


async def test_devices_say_by_how_much_their_images_are_turned(kept: Kept) -> None:
    assert kept.turn() == 0
    await kept.put(CAMERA)
    assert (kept.turn(), kept.turn(OrgId("globex"))) == (180, 0)
    await kept.put(msgspec.structs.replace(CAMERA, image_turn_degrees=270))
    assert kept.turn() == 270
    await kept.put(msgspec.structs.replace(CAMERA, image_turn_degrees=0))
    assert kept.turn() == 0
    await kept.put(CAMERA)
    await kept.apply(DIRECTORY.key_of(CAMERA), None)
    assert kept.turn() == 0


async def test_a_turn_that_cannot_be_is_left_out(kept: Kept) -> None:
    await kept.put(CAMERA)
    await kept.put(msgspec.structs.replace(CAMERA, image_turn_degrees=45))
    assert (kept.turn(), kept.ignored()) == (180, 1)
