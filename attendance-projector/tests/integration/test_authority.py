"""What reaches beyond the authority of its maker changes nothing, and is kept as a refused fact."""

import random
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from attendance_schemas.events import Act, DayStatus, MatchDecided, Outcome, PunchMethod
from attendance_testing.projector.plant_events import by

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
ON = date(2026, 3, 2)
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"
PRESENT = [(DAY, "day", "PRESENT", 240)]
FOREMAN = by("foreman", "goa", role="supervisor")
COUNTED = ("punch", "attendance_day", "correction", "period_lock", "adjustment")


@pytest.fixture
async def worked(plant: Any) -> list[MatchDecided]:
    """Asha, of the site `site`, and Binod, of Goa, have worked on one day, each at their home."""
    await plant.tell(plant.site(site_id="goa"), plant.person("binod", site="goa"))
    faces = [
        *(plant.match("asha", at, person_home_site_id="site") for at in (IN, OUT)),
        *(replace(plant.match("binod", at, person_home_site_id="goa"), site_id="goa") for at in (IN, OUT)),
    ]
    await plant.tell(*faces)
    return faces


def at_goa(plant: Any, faces: list[MatchDecided]) -> Mapping[str, Act]:
    """Return facts of a foreman for Goa that reach to somebody or something elsewhere."""
    of_asha, of_binod = faces[0], faces[2]
    home = {"authority": FOREMAN, "home_site_id": "site"}
    supervised = plant.punch("asha", f"{DAY}T11:00+05:30", method=PunchMethod.SUPERVISOR, person="asha")
    return {
        "an addition for somebody elsewhere": plant.addition("asha", f"{DAY}T13:00+05:30", **home),
        "an addition at another site": plant.addition(
            "binod", f"{DAY}T13:00+05:30", authority=FOREMAN, home_site_id="goa", site_id="site"
        ),
        "an addition for nobody knows whom": plant.addition(
            "binod", f"{DAY}T13:00+05:30", authority=FOREMAN, home_site_id=None
        ),
        "a void": plant.void("asha", of_asha, **home),
        "an override": plant.override("asha", ON, DayStatus.LEAVE, **home),
        "a supervised punch": replace(
            supervised, device_id=None, site_id="goa", authority=FOREMAN, home_site_id="site"
        ),
        "a review of a capture elsewhere": plant.review(
            of_asha.capture_id, "binod", authority=FOREMAN, home_site_id="goa"
        ),
        "a review in favour of somebody elsewhere": plant.review(
            of_binod.capture_id, "asha", authority=FOREMAN, home_site_id="site"
        ),
        "a lock of another site": plant.lock(ON, ON, "site", authority=FOREMAN),
        "a lock of every site": plant.lock(ON, ON, authority=FOREMAN),
    }


async def test_what_reaches_beyond_its_authority_changes_nothing(
    plant: Any, worked: list[MatchDecided]
) -> None:
    before = await plant.tables(*COUNTED)
    facts = at_goa(plant, worked)
    for name, fact in facts.items():
        await plant.tell(fact)
        assert await plant.tables(*COUNTED) == before, name
    refused = await plant.sql.fetch("SELECT kind, reason, made_by, detail FROM refused_fact")
    assert sorted(row["kind"] for row in refused) == sorted(type(fact).__name__ for fact in facts.values())
    assert {(row["reason"], row["made_by"]) for row in refused} == {("out-of-scope", "foreman")}
    assert all("goa only" in row["detail"] for row in refused)
    # All at once, and again: the same.
    kept = await plant.tables("refused_fact")
    await plant.tell(*facts.values())
    assert await plant.tables("refused_fact") == kept


async def test_within_its_authority_the_same_counts(plant: Any, worked: list[MatchDecided]) -> None:
    await plant.tell(
        plant.void("binod", worked[3], authority=FOREMAN, home_site_id="goa"),
        plant.lock(ON, ON, "goa", authority=FOREMAN),
    )
    assert await plant.days("binod") == [(DAY, "day", "INCOMPLETE", 0)]
    assert await plant.refusals() == []


async def test_a_reopening_takes_an_authority_for_every_site(plant: Any, worked: list[MatchDecided]) -> None:
    lock = await plant.close(ON, ON, "goa")
    limited = plant.reopening(lock, authority=by("hr-2", "goa"))
    await plant.tell(limited)
    assert await plant.sql.fetchval("SELECT in_force FROM period_lock") is True
    assert await plant.refusals() == [("PeriodReopened", str(limited.reopening_id), "out-of-scope")]
    await plant.tell(plant.reopening(lock))
    assert await plant.sql.fetchval("SELECT in_force FROM period_lock") is False


@pytest.mark.parametrize("comes_first", ["capture", "review"])
async def test_a_review_of_somebody_elsewhere_is_refused_in_any_order(plant: Any, comes_first: str) -> None:
    capture = plant.match("asha", IN, person_home_site_id="site")
    review = plant.review(capture.capture_id, None, authority=by("foreman", "goa", "site"))
    beyond = plant.review(capture.capture_id, None, authority=FOREMAN)
    for event in (capture, beyond) if comes_first == "capture" else (beyond, capture):
        await plant.tell(event)
    assert await plant.places("asha") == [("DAY", DAY)]
    assert await plant.refusals() == [("ReviewDecided", str(beyond.review_id), "out-of-scope")]
    await plant.tell(review)
    assert await plant.places("asha") == []


async def test_why_a_review_is_refused_does_not_go_by_the_order_of_arrival(plant: Any) -> None:
    """Beside the first one the second one is refused since the capture shows somebody elsewhere by then."""
    details = set()
    for order in permutations(range(3)):
        capture = plant.match("asha", IN, person_home_site_id="site")
        away = plant.review(capture.capture_id, "binod", home_site_id="goa")
        back = plant.review(
            capture.capture_id, "chandra", authority=by("foreman", "site"), home_site_id="delhi"
        )
        facts = capture, away, replace(back, recorded_at=away.recorded_at + timedelta(seconds=1))
        for number in order:
            await plant.tell(facts[number])
        detail = await plant.sql.fetchval(
            "SELECT detail FROM refused_fact WHERE fact_id = $1", str(back.review_id)
        )
        details.add(detail.replace(str(capture.capture_id), "ID"))
    assert len(details) == 1
    assert "shows somebody of another site" in details.pop()


async def test_a_refused_review_counts_once_recognition_decides_otherwise(plant: Any) -> None:
    """A later round shows nobody: what was refused counts, and is refused no more."""
    await plant.tell(plant.site(site_id="goa"), plant.person("binod", site="goa"))
    at = {"authority": by("foreman", "site"), "home_site_id": "site"}
    capture = plant.match("binod", IN, person_home_site_id="goa")
    review = plant.review(capture.capture_id, "asha", **at)
    await plant.tell(capture, review)
    assert (await plant.places("binod"), await plant.places("asha")) == ([("DAY", DAY)], [])
    assert len(await plant.refusals()) == 1
    unsure = plant.match("binod", IN, capture.capture_id, Outcome.REVIEW, decision_round=1)
    await plant.tell(unsure)
    assert (await plant.places("binod"), await plant.places("asha")) == ([], [("DAY", DAY)])
    assert await plant.refusals() == []


async def test_a_void_for_one_person_changes_nothing_of_another(
    plant: Any, worked: list[MatchDecided]
) -> None:
    """It is within its authority, but names a punch, and then a correction, of somebody else."""
    leave = plant.override("asha", ON, DayStatus.LEAVE)
    await plant.tell(leave)
    before = await plant.tables("punch", "attendance_day")
    for what in (worked[0], leave.correction_id):
        await plant.tell(plant.void("binod", what, authority=FOREMAN, home_site_id="goa"))
        assert await plant.tables("punch", "attendance_day") == before
    assert await plant.refusals() == []


SITES, HOMES = ("site", "goa", "delhi"), {"asha": "site", "binod": "goa", "chandra": "delhi"}
FACTS = 40


@pytest.mark.parametrize("round_number", range(3))
async def test_nothing_outside_the_scope_ever_changes(plant: Any, round_number: int) -> None:
    """Facts x scopes x objects by chance: what lies outside the scope of a fact is as it was without it."""
    chance = random.Random(round_number)
    for org_id in ("org", "globex"):
        everything = [plant.site(site_id=each) for each in SITES]
        everything += [plant.person(name, site=home) for name, home in HOMES.items()]
        everything += [plant.shift("day", 8, 12)]
        await plant.tell(*(replace(each, org_id=org_id) for each in everything))
    # Both organisations use the same ids.
    captures = [_capture(plant, chance, number) for number in range(12)]
    await plant.tell(*captures, *(replace(each, org_id="globex") for each in captures))
    locks = [plant.lock(ON, ON, site) for site in (*SITES, None)]
    kinds: list[str] = []
    for _ in range(FACTS):
        sites = chance.choice((None, *((each,) for each in SITES), SITES[:2]))
        fact = _fact(plant, chance, captures, locks, by("foreman", *(sites or ())))
        before = await _outside(plant, sites)
        await plant.tell(fact)
        assert await _outside(plant, sites) == before, (fact, sites)
        kinds.append(type(fact).__name__)
    assert len(set(kinds)) == 7
    assert {kind for kind, _, _ in await plant.refusals()} > {"ReviewDecided", "PunchVoided"}


def _capture(plant: Any, chance: random.Random, number: int) -> MatchDecided:
    person, at = chance.choice([*HOMES, None]), f"{DAY}T{8 + number % 5:02}:{number:02}+05:30"
    outcome = Outcome.IDENTIFIED if person else Outcome.UNKNOWN
    match = plant.match(
        person, at, UUID(int=number + 1), outcome, person_home_site_id=HOMES[person] if person else None
    )
    return replace(match, site_id=chance.choice(SITES))


def _fact(plant: Any, chance: random.Random, captures: Any, locks: Any, authority: Any) -> Act:
    """Return a fact about somebody and something by chance, stamped as ingest does."""
    person = chance.choice(list(HOMES))
    of_person = {"authority": authority, "home_site_id": HOMES[person]}
    at = f"{DAY}T{chance.randrange(6, 14):02}:{chance.randrange(60):02}+05:30"
    capture, site = chance.choice(captures), chance.choice((*SITES, None))
    punch = plant.punch(person, at, method=PunchMethod.SUPERVISOR, person=person, **of_person)
    makers: list[Callable[[], Act]] = [
        lambda: plant.addition(person, at, site_id=site, **of_person),
        lambda: plant.void(person, capture, **of_person),
        lambda: plant.override(person, ON, chance.choice([DayStatus.LEAVE, DayStatus.ABSENT]), **of_person),
        lambda: plant.review(capture.capture_id, person, **of_person),
        lambda: replace(punch, device_id=None, site_id=site or HOMES[person]),
        lambda: replace(chance.choice(locks), authority=authority, lock_id=uuid4(), site_id=site),
        lambda: plant.reopening(chance.choice(locks), authority=authority),
    ]
    return chance.choice(makers)()


async def _outside(plant: Any, sites: tuple[str, ...] | None) -> Mapping[str, list[dict[str, Any]]]:
    """Return what a fact of `org` with an authority for these sites must leave alone."""
    inside = SITES if sites is None else sites
    people = {name for name, home in HOMES.items() if home in inside}
    found = {}
    for name, is_inside in {
        "punch": lambda row: row["person_id"] in people,
        "attendance_day": lambda row: row["person_id"] in people,
        "adjustment": lambda row: row["person_id"] in people,
        "correction": lambda row: row["person_id"] in people,
        "period_lock": lambda row: sites is None or row["site_id"] in inside,
        "pending_fact": lambda _row: False,
    }.items():
        rows = (await plant.tables(name))[name]
        found[name] = [row for row in rows if row["org_id"] != "org" or not is_inside(row)]
    faces = [row for row in (await plant.tables("punch"))["punch"] if row["capture_id"] is not None]
    owners = {(row["org_id"], row["capture_id"], row["person_id"]): row["site_id"] for row in faces}
    found["faces elsewhere"] = [{"of": key} for key, site in sorted(owners.items()) if site not in inside]
    return found
