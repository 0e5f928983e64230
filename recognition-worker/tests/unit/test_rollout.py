import pytest

from recognition_worker.domain.enrolment_coverage import Coverage
from recognition_worker.domain.identity import ModelId, OrgId, Person, PersonId, Site, SiteId
from recognition_worker.domain.rollout import Mode, RolloutPlan
from recognition_worker.errors import RolloutRefused

OLD, NEW, OTHER = ModelId("SFace", "1"), ModelId("Dlib", "d1"), ModelId("Mine", "m1")
SHADOW = RolloutPlan(OLD).shadow(NEW)
ACME, GLOBEX = OrgId("acme"), OrgId("globex")
HQ, PUNE = Site(ACME, SiteId("hq")), Site(ACME, SiteId("pune"))
DEVICES = [f"kiosk-{number}" for number in range(2000)]


def devices_of_the_candidate(plan: RolloutPlan) -> set[str]:
    return {device for device in DEVICES if plan.decides(HQ, device) == NEW}


def test_a_shadow_never_decides() -> None:
    assert SHADOW.models == (OLD, NEW)
    assert devices_of_the_candidate(SHADOW) == set()


def test_a_canary_is_a_share_that_only_grows() -> None:
    ten, half, all_ = (devices_of_the_candidate(SHADOW.canary(NEW, percent, ())) for percent in (10, 50, 100))
    assert 150 < len(ten) < 250
    assert 900 < len(half) < 1100
    assert ten < half < all_ == set(DEVICES)


def test_another_candidate_has_other_devices() -> None:
    ten = devices_of_the_candidate(SHADOW.canary(NEW, 10, ()))
    other = RolloutPlan(OLD).shadow(OTHER).canary(OTHER, 10, ())
    assert {device for device in DEVICES if other.decides(HQ, device) == OTHER} != ten


def test_a_canary_by_site_decides_there_and_nowhere_else() -> None:
    plan = SHADOW.canary(NEW, 0, (PUNE, PUNE))
    assert plan.sites == (PUNE,)
    assert plan.decides(PUNE, "kiosk-1") == NEW
    assert plan.decides(HQ, "kiosk-1") == OLD
    assert plan.decides(Site(GLOBEX, PUNE.site_id), "kiosk-1") == OLD


def test_a_device_of_another_organisation_has_a_place_of_its_own() -> None:
    half = SHADOW.canary(NEW, 50, ())
    theirs = {device for device in DEVICES if half.decides(Site(GLOBEX, HQ.site_id), device) == NEW}
    assert theirs != devices_of_the_candidate(half)


@pytest.mark.parametrize("text", ["pune", ":pune", "acme:", "acme:pune:1", ""])
def test_a_site_is_named_with_its_organisation(text: str) -> None:
    assert Site.parse(str(PUNE)) == PUNE
    with pytest.raises(ValueError, match="is not ORG:SITE"):
        Site.parse(text)


def test_a_promotion_keeps_the_former_model_beside_it_and_can_be_rolled_back() -> None:
    promoted = SHADOW.canary(NEW, 10, ()).promote(NEW)
    assert (promoted.deciding, promoted.mode, promoted.candidate) == (NEW, Mode.SHADOW, OLD)
    assert promoted.decides(HQ, "kiosk-1") == NEW
    back = promoted.roll_back()
    assert (back.deciding, back.mode, back.candidate) == (OLD, Mode.SHADOW, NEW)
    with pytest.raises(RolloutRefused, match="nothing to roll back"):
        back.roll_back()


def test_a_canary_is_rolled_back_to_the_shadow() -> None:
    assert SHADOW.canary(NEW, 10, (PUNE,)).roll_back() == SHADOW


@pytest.mark.parametrize("step", ["canary", "promote"])
@pytest.mark.parametrize("before", [RolloutPlan(OLD), RolloutPlan(OLD).shadow(OTHER)])
def test_a_model_must_run_beside_before_it_decides(before: RolloutPlan, step: str) -> None:
    with pytest.raises(RolloutRefused, match=r"does not run beside SFace 1 .*start with shadow"):
        before.canary(NEW, 10, ()) if step == "canary" else before.promote(NEW)


def test_a_step_that_means_nothing_is_refused() -> None:
    with pytest.raises(RolloutRefused, match="decides already"):
        RolloutPlan(OLD).shadow(OLD)
    with pytest.raises(RolloutRefused, match="a canary for no device"):
        SHADOW.canary(NEW, 0, ())
    assert SHADOW.finish() == RolloutPlan(OLD)


def test_people_without_a_template_of_the_candidate_are_counted_by_person() -> None:
    def templates(model: ModelId, *people: str, org_id: OrgId = ACME) -> list[tuple[ModelId, Person]]:
        return [(model, Person(org_id, PersonId(person))) for person in people]

    # As many people, but not the same ones.
    coverage = Coverage.of([*templates(OLD, "ada", "ada", "bob"), *templates(NEW, "ada", "eve")])
    assert (coverage.count(OLD), coverage.count(NEW), coverage.missing(NEW, OLD)) == (2, 2, 1)
    with pytest.raises(RolloutRefused, match=r"1 of the 2 .* re-enrol --model Dlib@d1`, or .*--force"):
        coverage.require_complete(NEW, OLD)
    Coverage.of([*templates(OLD, "ada"), *templates(NEW, "ada")]).require_complete(NEW, OLD)
    # The same id in another organisation is another person.
    with pytest.raises(RolloutRefused, match="1 of the 1 "):
        Coverage.of([*templates(OLD, "ada"), *templates(NEW, "ada", org_id=GLOBEX)]).require_complete(
            NEW, OLD
        )
    with pytest.raises(RolloutRefused, match="templates of 0 people"):
        Coverage.of(templates(OLD, "ada")).require_complete(NEW, OLD)
