from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from attendance_schemas.codec import FRAME, MAGIC, Codec, encode_body, schema_text
from attendance_schemas.errors import RegistryUnavailable
from attendance_schemas.events import CaptureReceived, Event, TemplateEnrolled
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import GALLERY
from recognition_worker.adapters.topics.gallery_feed import GalleryFeed
from recognition_worker.adapters.topics.sealed_templates import seal, unwrap, wrap
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.metrics import RecognitionMetrics
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Record
from service_kit.state.envelope import DataKey, KeyRing, new_key

MODEL = ModelId("Paint", "1")
ORG = OrgId("acme")
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
ADA, THEIR_ADA = Person(ORG, PersonId("ada")), Person(OrgId("globex"), PersonId("ada"))


class Schemas:
    """A registry with two schemas."""

    away = False

    async def schema_by_id(self, schema_id: int) -> str:
        if self.away:
            raise RegistryUnavailable("away")
        return schema_text({1: "TemplateEnrolled", 2: "CaptureReceived"}[schema_id])

    async def id_of(self, subject: str, schema: str) -> int:
        return 1


@dataclass
class FakeKeys:
    """Keys that a reader of the topic knows, and those that lie beyond what it has read."""

    ring: KeyRing = field(default_factory=lambda: KeyRing.parse(new_key("kek")))
    known: PersonKeys = field(default_factory=PersonKeys)
    unread: list[PersonKey] = field(default_factory=list)
    catch_ups: int = 0
    away: bool = False

    async def find(self, person: Person, key_id: KeyId, read_at: float) -> PersonKey | None:
        found = self.known.find(person, key_id)
        if found is None and read_at > 0:
            if self.away:
                raise TransientFailure("kafka", "away")
            self.catch_ups += 1
            for key in self.unread:
                self.known.issue(key)
            found = self.known.find(person, key_id)
        return found

    def data_key(self, key: PersonKey) -> DataKey:
        return unwrap(self.ring, key)

    def make(self, person_id: str, *, ring: KeyRing | None = None, org_id: OrgId = ORG) -> PersonKey:
        owner = Person(org_id, PersonId(person_id)), KeyId(str(uuid4()))
        wrapped = wrap(ring or self.ring, DataKey.new(), *owner)
        return PersonKey(*owner, wrapped.wrapped_with, wrapped.sealed, TEMPLATE.occurred_at)

    def issue(self, person_id: str, org_id: OrgId = ORG) -> PersonKey:
        self.known.issue(key := self.make(person_id, org_id=org_id))
        return key

    def sealed(self, key: PersonKey, **changes: object) -> TemplateEnrolled:
        event = msgspec.structs.replace(TEMPLATE, **key.person._asdict(), **changes)
        return seal(event, key.key_id, self.data_key(key))


class Kept:
    def __init__(self) -> None:
        self.applied = 0
        self.keys = FakeKeys()
        self.registry = CollectorRegistry()
        self.gallery = InMemoryGallery(MODEL, DIMENSIONS)
        self.schemas = Schemas()
        self.feed = GalleryFeed(
            {MODEL: self.gallery}, self.keys, Codec(self.schemas), RecognitionMetrics(self.registry)
        )

    async def put(self, event: Event, key: str | None = None) -> None:
        number = 1 if isinstance(event, TemplateEnrolled) else 2
        if key is None:
            assert isinstance(event, TemplateEnrolled)
            key = GALLERY.key_of(event).decode()
        await self.apply(key, FRAME.pack(MAGIC, number) + encode_body(event))

    async def apply(self, key: str, value: bytes | None) -> None:
        await self.feed.apply(Record("gallery", 0, self.applied, key.encode(), value, (), datetime.now(UTC)))
        self.applied += 1

    def found(self, person_id: str, org_id: OrgId = ORG) -> bool:
        probe = np.array([1, 0, 0, 0], np.float32)
        ranking = self.gallery.search(probe, MODEL, org_id=org_id)
        return person_id in [person.person_id for person in ranking.people]

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


async def test_it_tells_where_the_topic_is_read_on(kept: Kept) -> None:
    assert kept.feed.offsets == ()
    await kept.feed.apply(Record("gallery", 2, 40, b"unreadable", b"", (), datetime.now(UTC)))
    await kept.apply("unreadable", b"")
    assert kept.feed.offsets == (1, 0, 41)


async def test_a_tombstone_erases(kept: Kept) -> None:
    await kept.put(TEMPLATE)
    await kept.apply(GALLERY.key_of(TEMPLATE).decode(), None)
    await kept.apply("acme:nobody:t", None)
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
    await kept.put(capture, "acme:ada:t")
    await kept.put(TEMPLATE, "acme:bob:t")
    await kept.apply("no-key", None)
    await kept.apply("acme:ada:t", b"not avro")
    await kept.put(TEMPLATE, f"globex:ada:{TEMPLATE.template_id}")
    assert kept.ignored("unreadable") == 5


async def test_a_registry_that_is_away_is_no_reason_to_leave_out(kept: Kept) -> None:
    kept.schemas.away = True
    with pytest.raises(RegistryUnavailable):
        await kept.put(TEMPLATE)


async def test_a_sealed_template_is_opened_and_found(kept: Kept) -> None:
    await kept.put(kept.keys.sealed(kept.keys.issue("ada")))
    assert kept.found("ada")
    assert (kept.metric("recognition_gallery_templates"), kept.keys.catch_ups) == (1, 0)


async def test_a_template_that_comes_before_its_key_waits_for_it(kept: Kept) -> None:
    key = kept.keys.make("ada")
    kept.keys.unread.append(key)
    await kept.put(kept.keys.sealed(key))
    assert kept.found("ada")
    assert kept.keys.catch_ups == 1


async def test_a_template_is_not_left_out_while_nobody_knows_whether_its_key_is_gone(kept: Kept) -> None:
    kept.keys.away = True
    with pytest.raises(TransientFailure):
        await kept.put(kept.keys.sealed(kept.keys.make("ada")))
    assert kept.ignored("erased") is None


async def test_a_template_whose_key_is_gone_is_counted_and_no_error(kept: Kept) -> None:
    with capture_logs() as logs:
        await kept.put(kept.keys.sealed(kept.keys.make("ada")))
    assert not kept.found("ada")
    assert kept.ignored("erased") == 1
    assert logs == []
    # An erasure finds it by its record key, readable or not.
    assert kept.feed.requested_until(ADA, TEMPLATE.occurred_at) == [str(TEMPLATE.template_id)]


async def test_who_loses_the_key_is_no_longer_found(kept: Kept) -> None:
    key, other = kept.keys.issue("ada"), kept.keys.issue("bob")
    await kept.put(kept.keys.sealed(key))
    await kept.put(kept.keys.sealed(other))
    kept.keys.known.forget(key.person, key.key_id)
    kept.feed.forget_erased(key.person)
    assert not kept.found("ada")
    assert kept.found("bob")
    assert kept.ignored("erased") == 1
    assert kept.metric("recognition_gallery_people") == 1


async def test_an_erasure_voids_readable_templates_too_and_whatever_comes_later(kept: Kept) -> None:
    await kept.put(TEMPLATE)
    kept.keys.known.erase(ADA, TEMPLATE.occurred_at)
    kept.feed.forget_erased(ADA)
    assert not kept.found("ada")
    await kept.put(TEMPLATE)
    assert not kept.found("ada")
    assert kept.feed.came_back == [(ADA, str(TEMPLATE.template_id))]
    later = TEMPLATE.occurred_at + timedelta(seconds=1)
    await kept.put(msgspec.structs.replace(TEMPLATE, occurred_at=later, template_id=UUID(int=7)))
    assert kept.found("ada")
    assert len(kept.feed.came_back) == 1


async def test_the_same_ids_in_another_organisation_are_another_persons_template(kept: Kept) -> None:
    for org_id in (ADA.org_id, THEIR_ADA.org_id):
        await kept.put(kept.keys.sealed(kept.keys.issue("ada", org_id)))
    assert kept.found("ada")
    assert kept.found("ada", THEIR_ADA.org_id)
    assert kept.metric("recognition_gallery_people") == 2
    kept.keys.known.erase(ADA, TEMPLATE.occurred_at)
    kept.feed.forget_erased(ADA)
    assert not kept.found("ada")
    assert kept.found("ada", THEIR_ADA.org_id)
    assert kept.feed.came_back == [(ADA, str(TEMPLATE.template_id))]
    await kept.apply(GALLERY.key_of(TEMPLATE).decode(), None)
    assert kept.found("ada", THEIR_ADA.org_id)
    assert kept.feed.requested_until(THEIR_ADA, TEMPLATE.occurred_at) == [str(TEMPLATE.template_id)]
    assert kept.feed.requested_until(ADA, TEMPLATE.occurred_at) == []


async def test_a_seal_of_another_record_does_not_open(kept: Kept) -> None:
    ada, bob = kept.keys.issue("ada"), kept.keys.issue("bob")
    theirs = kept.keys.issue("ada", THEIR_ADA.org_id)
    stolen = kept.keys.sealed(ada)
    for change in (
        {"person_id": "bob", "data_key_id": UUID(bob.key_id)},
        {"template_id": UUID(int=7)},
        {"org_id": "globex", "data_key_id": UUID(theirs.key_id)},
        {"embedding": stolen.embedding[:-1] + b"!"},
        {"data_key_id": None},
    ):
        await kept.put(msgspec.structs.replace(stolen, **change))
    assert kept.gallery.template_count == 0
    assert kept.ignored("unreadable") == 5


async def test_a_missing_key_encryption_key_is_said_once(kept: Kept) -> None:
    elsewhere = KeyRing.parse(new_key("elsewhere"))
    with capture_logs() as logs:
        for person in ("ada", "bob"):
            key = kept.keys.make(person, ring=elsewhere)
            kept.keys.known.issue(key)
            sealed = seal(
                msgspec.structs.replace(TEMPLATE, person_id=person), key.key_id, unwrap(elsewhere, key)
            )
            await kept.put(sealed)
    assert kept.ignored("unknown-key") == 2
    [said] = [entry["error"] for entry in logs]
    assert "'elsewhere' is not configured" in said


async def test_templates_go_to_the_gallery_of_their_model(kept: Kept) -> None:
    other = InMemoryGallery(second := ModelId("Paint", "2"), DIMENSIONS)
    kept.feed = GalleryFeed(
        {MODEL: kept.gallery, second: other},
        kept.keys,
        Codec(kept.schemas),
        RecognitionMetrics(CollectorRegistry()),
    )
    key = kept.keys.issue("ada")
    await kept.put(kept.keys.sealed(key))
    await kept.put(kept.keys.sealed(key, model_version="2", template_id=UUID(int=7)))
    assert (kept.gallery.template_count, other.template_count) == (1, 1)
    await kept.apply(f"acme:ada:{UUID(int=7)}", None)
    assert (kept.gallery.template_count, other.template_count) == (1, 0)


async def test_the_log_names_no_person_and_shows_no_embedding(kept: Kept) -> None:
    person, key = "p-unmistakable", kept.keys.issue("p-unmistakable")
    sealed = kept.keys.sealed(key)
    ones = np.ones(DIMENSIONS, "<f4").tobytes()
    wrong = [
        msgspec.structs.replace(sealed, embedding=b"x" * 40),
        msgspec.structs.replace(TEMPLATE, person_id=person, embedding=ones),
        msgspec.structs.replace(TEMPLATE, person_id=person, embedding=b"123"),
        msgspec.structs.replace(TEMPLATE, person_id=person, model_version="9"),
    ]
    with capture_logs() as logs:
        for event in wrong:
            await kept.put(event)
            await kept.put(event, f"acme:{person}:another-template")
        await kept.apply(f"acme:{person}:t", b"\0\0\0\0\x01" + person.encode())
        await kept.apply(person, b"")
    assert len(logs) >= 6
    said = str(logs)
    for secret in (person, repr(ones)[2:-1], str(sealed.embedding)[2:20]):
        assert secret not in said
