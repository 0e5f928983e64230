from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.events import (
    Event,
    IdentificationScope,
    PersonRecorded,
    RosterRecorded,
    SiteRecorded,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import DIRECTORY
from recognition_worker.adapters.topics.kafka_directory_view import DirectoryFeed
from recognition_worker.domain.identity import OrgId
from recognition_worker.domain.site_people import ScopeKind, SiteId, SitePeople
from recognition_worker.metrics import RecognitionMetrics
from service_kit.kafka.records import Record

NAMES = ("SiteRecorded", "PersonRecorded", "RosterRecorded")
PEOPLE = [event for _, event, _ in golden_examples(PersonRecorded) if isinstance(event, PersonRecorded)]
SITE = next(
    event
    for _, event, _ in golden_examples(SiteRecorded)
    if isinstance(event, SiteRecorded) and event.identification_scope is IdentificationScope.SITE
)
PERSON = msgspec.structs.replace(PEOPLE[0], person_id="ada", home_site_id=SITE.site_id, org_id=SITE.org_id)
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
        self.schemas = Schemas()
        self.feed = DirectoryFeed(self.people, Codec(self.schemas), RecognitionMetrics(self.registry))

    async def put(self, event: Event, key: bytes | None = None) -> None:
        value = FRAME.pack(MAGIC, NAMES.index(type(event).__name__)) + encode_body(event)
        await self.apply(key or DIRECTORY.key_of(event), value)

    async def apply(self, key: bytes, value: bytes | None) -> None:
        await self.feed.apply(Record("directory", 0, 0, key, value, (), datetime.now(UTC)))

    def scope(self) -> tuple[ScopeKind, frozenset[str] | None]:
        found = self.people.scope_of(ORG, SiteId(SITE.site_id))
        return found.kind, found.people

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
    await kept.apply(b"person:ada", None)
    assert kept.scope() == (ScopeKind.SITE, frozenset())
    await kept.apply(f"site:{SITE.site_id}".encode(), None)
    assert kept.scope() == (ScopeKind.UNKNOWN_SITE, None)


async def test_other_records_do_not_matter(kept: Kept) -> None:
    kept.schemas.away = True  # they are not even decoded
    await kept.put(next(event for _, event, _ in golden_examples(RosterRecorded)))
    await kept.apply(b"roster:1", None)
    assert kept.ignored() == 0


async def test_what_cannot_be_read_is_counted_and_left_out(kept: Kept) -> None:
    await kept.put(SITE)
    await kept.apply(b"person:ada", b"\x07 not avro")
    await kept.put(PERSON, b"person:bob")
    await kept.put(PERSON, b"site:ada")
    assert kept.ignored() == 3
    assert kept.scope() == (ScopeKind.SITE, frozenset())


async def test_a_registry_that_is_away_is_no_reason_to_leave_out(kept: Kept) -> None:
    kept.schemas.away = True
    with pytest.raises(RegistryUnavailable):
        await kept.put(SITE)
