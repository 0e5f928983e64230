from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import numpy as np
import pytest

from attendance_schemas.events import EnrolmentDecided, EnrolmentRequested, ImageReference, TemplateEnrolled
from attendance_schemas.golden import golden_examples
from recognition_worker.adapters.topics.stored_enrolments import StoredEnrolments
from recognition_worker.domain.fair_turns import Work
from recognition_worker.domain.identity import ImageRef, ModelId, Person, TemplateId
from recognition_worker.recognition.event_mapping import template_id_of, template_of
from recognition_worker.rollout.model_lanes import Lane
from recognition_worker.rollout.re_enrol import ReEnrol
from service_kit.errors import ObjectNotFound, PoisonRecord, TransientFailure

OLD = ModelId("SFace", "1")
GOLDEN = next(event for _, event, _ in golden_examples(TemplateEnrolled))
REQUEST = next(event for _, event, _ in golden_examples(EnrolmentRequested))
assert isinstance(GOLDEN, TemplateEnrolled)
assert isinstance(REQUEST, EnrolmentRequested)


def template_of_old(person: str, photo: str) -> TemplateEnrolled:
    return msgspec.structs.replace(
        GOLDEN,
        template_id=uuid4(),
        enrolment_id=uuid4(),
        person_id=person,
        model_name=OLD.name,
        model_version=OLD.version,
        source_sha256=photo,
    )


@dataclass
class Store:
    """Photos, and the gallery's topic."""

    photos: dict[str, bytes] = field(default_factory=dict)
    gallery: list[TemplateEnrolled] = field(default_factory=list)
    erased: list[tuple[Person, str]] = field(default_factory=list)
    erase_while_writing: bool = False
    away: bool = False

    async def read(self, image: ImageRef, work: Work) -> bytes:
        if self.away:
            raise TransientFailure("object-store", "away")
        if image.sha256 not in self.photos:
            raise PoisonRecord("image-missing", image.key)
        return self.photos[image.sha256]

    async def find(self, template: TemplateEnrolled) -> ImageReference | None:
        if template.source_sha256 == "unknown":
            return None
        return msgspec.structs.replace(REQUEST.photos[0], sha256=template.source_sha256, orientation=1)

    async def enrol(self, template: TemplateEnrolled) -> None:
        self.gallery.append(template)
        if self.erase_while_writing:
            self.gallery = [one for one in self.gallery if one.model_name != OLD.name]

    async def erase(self, person: Person, template_id: TemplateId) -> None:
        self.erased.append((person, template_id))

    async def decide(self, decision: EnrolmentDecided) -> None:
        raise AssertionError("nobody asked")

    def has(self, template: TemplateEnrolled) -> bool:
        return any(one.template_id == template.template_id for one in self.gallery)


@pytest.fixture
def store() -> Store:
    made = Store(photos={"a": b"100,100,120,A", "b": b"100,100,120,B", "none": b""})
    made.gallery = [template_of_old("ada", "a"), template_of_old("bob", "b")]
    return made


@pytest.fixture
def re_enrol(world, store: Store) -> ReEnrol:
    lane = Lane.over(world.analyser, world.embedder, world.gallery, world.identify._manifest, world.clock)
    return ReEnrol(lane, store, store.find, store, store.has, now=lambda: datetime.now(UTC))


async def test_each_photo_gives_a_template_of_the_other_model(re_enrol: ReEnrol, store: Store) -> None:
    before = list(store.gallery)
    seen: list[int] = []
    result = await re_enrol(before, OLD, on_templates=seen.append)
    assert (result.made, result.already, result.people, result.complete) == (2, 0, 2, True)
    assert sum(seen) == 2
    for old, new in zip(before, store.gallery[2:], strict=True):
        assert (new.model_name, new.model_version) == ("Paint", "1")
        assert new.template_id == template_id_of(
            old.org_id, old.enrolment_id, old.source_sha256, result.model
        )
        assert (new.org_id, new.person_id, new.enrolment_id, new.occurred_at) == (
            old.org_id,
            old.person_id,
            old.enrolment_id,
            old.occurred_at,
        )
        assert np.linalg.norm(template_of(new).embedding) == pytest.approx(1.0)


async def test_the_same_enrolment_id_in_another_organisation_is_another_enrolment(
    re_enrol: ReEnrol, store: Store
) -> None:
    ours, _ = store.gallery
    store.gallery = [ours, msgspec.structs.replace(ours, org_id="globex")]
    await re_enrol(store.gallery[:1], OLD)
    result = await re_enrol(store.gallery, OLD)
    assert (result.made, result.already, result.people) == (1, 1, 2)
    assert [one.org_id for one in store.gallery[2:]] == [ours.org_id, "globex"]
    assert len({one.template_id for one in store.gallery[2:]}) == 2


async def test_a_second_run_makes_nothing_and_a_stopped_one_goes_on(re_enrol: ReEnrol, store: Store) -> None:
    await re_enrol(store.gallery[:1], OLD)
    result = await re_enrol(store.gallery, OLD)
    assert (result.made, result.already) == (1, 1)
    again = await re_enrol(store.gallery, OLD)
    assert (again.made, again.already, again.complete) == (0, 2, True)


async def test_a_photo_that_cannot_be_used_is_counted_with_its_reason(
    re_enrol: ReEnrol, store: Store
) -> None:
    store.gallery = [template_of_old("ada", photo) for photo in ("unknown", "lost", "none", "a")]
    result = await re_enrol(store.gallery, OLD)
    assert dict(result.refused) == {
        "nobody knows where the photo is stored": 1,
        "the photo in the object store: image-missing": 1,
        "no face": 1,
    }
    assert (result.made, result.complete) == (1, False)


async def test_whoever_is_erased_before_gets_no_template(re_enrol: ReEnrol, store: Store) -> None:
    gallery, store.gallery = store.gallery, []
    result = await re_enrol(gallery, OLD)
    assert (result.made, result.erased_meanwhile, store.gallery) == (0, 2, [])


async def test_whoever_is_erased_while_a_template_is_written_loses_it_again(
    re_enrol: ReEnrol, store: Store
) -> None:
    store.erase_while_writing = True
    result = await re_enrol(store.gallery[:1], OLD)
    assert (result.made, result.erased_meanwhile) == (0, 1)
    [(person, _)] = store.erased
    assert person == (GOLDEN.org_id, "ada")


async def test_an_object_store_that_is_away_is_told_and_nothing_is_lost(
    re_enrol: ReEnrol, store: Store
) -> None:
    store.away = True
    with pytest.raises(TransientFailure):
        await re_enrol(store.gallery, OLD)
    store.away = False
    assert (await re_enrol(store.gallery, OLD)).complete


def template_of_photo(request: EnrolmentRequested, photo: ImageReference) -> TemplateEnrolled:
    return msgspec.structs.replace(
        GOLDEN,
        org_id=request.org_id,
        person_id=request.person_id,
        enrolment_id=request.enrolment_id,
        source_sha256=photo.sha256,
    )


class Objects:
    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.asked: list[str] = []

    async def get(self, bucket: str, key: str) -> bytes:
        self.asked.append(key)
        if key not in self.objects:
            raise ObjectNotFound(key)
        return self.objects[key]


async def test_an_enrolment_older_than_its_topic_is_found_beside_its_photos() -> None:
    template = template_of_photo(REQUEST, REQUEST.photos[1])
    key = f"enrolments/{REQUEST.org_id}/{REQUEST.person_id}/{REQUEST.enrolment_id}/manifest"
    objects = Objects({key: msgspec.json.encode(REQUEST)})
    stored = StoredEnrolments(objects, "images")
    assert await stored.find(template) == REQUEST.photos[1]
    assert await stored.find(msgspec.structs.replace(template, source_sha256="other")) is None
    assert objects.asked == [key]


async def test_the_same_enrolment_id_in_another_organisation_has_photos_of_its_own() -> None:
    theirs = msgspec.structs.replace(
        REQUEST,
        org_id="globex",
        photos=tuple(msgspec.structs.replace(photo, key="globex/photo") for photo in REQUEST.photos),
    )
    stored = StoredEnrolments(
        Objects(
            {
                f"enrolments/{one.org_id}/{one.person_id}/{one.enrolment_id}/manifest": msgspec.json.encode(
                    one
                )
                for one in (REQUEST, theirs)
            }
        ),
        "images",
    )
    for one in (REQUEST, theirs, REQUEST):
        assert await stored.find(template_of_photo(one, one.photos[0])) == one.photos[0]


@pytest.mark.parametrize("content", [None, b"not json"])
async def test_an_enrolment_that_nobody_has_is_not_found(content: bytes | None) -> None:
    key = f"enrolments/{GOLDEN.org_id}/{GOLDEN.person_id}/{GOLDEN.enrolment_id}/manifest"
    stored = StoredEnrolments(Objects({} if content is None else {key: content}), "images")
    assert await stored.find(GOLDEN) is None
