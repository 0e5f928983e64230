from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from attendance_projector.projection.judge_decisions import (
    Judgement,
    StoredOfCaptures,
    capture_of,
    judge_decisions,
    known_capture,
    punch_of,
)
from attendance_projector.projection.refusals import Refusals
from attendance_projector.projection.stored import FactKey, KnownCapture
from attendance_schemas.events import Direction, ImageReference, MatchDecided, Outcome, TimeTrust

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
CAPTURE = UUID(int=7)
PEOPLE = ("asha", "binod", None)
IMAGE = ImageReference(
    bucket="b", key="k", sha256="00", media_type="image/jpeg", size_bytes=1, width=1, height=1
)


def decided(person: str | None, decision_round: int = 0, at: datetime = AT) -> MatchDecided:
    return MatchDecided(
        event_id=uuid4(),
        occurred_at=at,
        recorded_at=at,
        org_id="org",
        capture_id=CAPTURE,
        device_id="kiosk",
        site_id="site",
        device_sequence=1,
        time_trust=TimeTrust.SYNCED,
        image=IMAGE,
        received_at=at,
        outcome=Outcome.IDENTIFIED if person else Outcome.UNKNOWN,
        model_name="m",
        model_version="1",
        gallery_size=1,
        direction=Direction.IN,
        person_id=person,
        decision_round=decision_round,
    )


def judged(received: list[MatchDecided], known: dict[FactKey, KnownCapture]) -> Judgement:
    return judge_decisions(received, StoredOfCaptures(known), Refusals().refuse)


def known(person: str | None, decision_round: int = 0) -> dict[FactKey, KnownCapture]:
    outcome = "IDENTIFIED" if person else "UNKNOWN"
    capture = KnownCapture("org", CAPTURE, AT, decision_round, "site", "kiosk", "IN", outcome, person)
    return {capture.key: capture}


def people(punches: object) -> list[str]:
    return [punch.person_id for punch in punches]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("before", "rounds", "added", "taken_back"),
    [
        ({}, [decided("asha")], ["asha"], []),
        ({}, [decided(None)], [], []),
        (known("asha"), [decided("asha")], [], []),
        (known("asha"), [decided("asha", 1)], [], []),
        (known("asha"), [decided("binod", 1)], ["binod"], ["asha"]),
        (known("asha", 2), [decided("binod", 1)], [], []),
        (known("asha"), [decided("binod")], [], []),
        ({}, [decided("asha", 1), decided("binod", 1)], ["asha"], []),
        (known("asha"), [decided(None, 1)], [], ["asha"]),
        (known(None), [decided("asha", 1)], ["asha"], []),
        ({}, [decided("asha"), decided("binod", 2), decided("chandra", 1)], ["binod"], []),
    ],
)
def test_the_highest_round_counts(before, rounds, added, taken_back) -> None:
    judgement = judged(rounds, before)
    assert (people(judgement.added), people(judgement.taken_back)) == (added, taken_back)


@given(st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 3)), min_size=1, max_size=8), st.data())
def test_however_decisions_come_the_first_of_the_highest_round_counts(
    log: list[tuple[str | None, int]], data: st.DataObject
) -> None:
    shown: dict[FactKey, KnownCapture] = {}
    left = [decided(person, decision_round) for person, decision_round in log]
    while left:
        size = data.draw(st.integers(1, len(left)))
        for event in judged(left[:size], shown).stored:
            shown = {capture_of(event): known_capture(event)}
        left = left[size:]
    highest = max(decision_round for _, decision_round in log)
    [capture] = shown.values()
    assert (capture.person_id, capture.decision_round) == next(each for each in log if each[1] == highest)


def test_what_has_no_effect_is_counted() -> None:
    assert judged([decided("asha"), decided("asha")], known("asha")).without_effect == 2
    assert judged([decided("asha"), decided("asha", 1)], {}).without_effect == 1


def test_a_second_occurred_at_is_refused_and_the_others_count() -> None:
    second, third = decided("asha", 1, AT + timedelta(microseconds=1)), decided("binod", 2)
    refusals = Refusals()
    judgement = judge_decisions([second, third], StoredOfCaptures(known("asha")), refusals.refuse)
    assert [(row.fact_id, row.reason) for row in refusals.rows] == [(str(CAPTURE), "second-occurred-at")]
    assert people(judgement.added) == ["binod"]
    assert judgement.without_effect == 0


def test_the_punch_of_a_face_has_the_id_of_its_capture() -> None:
    punch = punch_of(known_capture(decided("asha")))
    assert punch is not None
    assert (punch.punch_id, punch.capture_id, punch.direction, punch.method) == (
        CAPTURE,
        CAPTURE,
        "IN",
        "face",
    )


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.IDENTIFIED])
def test_only_an_identification_is_a_punch(outcome: Outcome) -> None:
    event = replace(decided("asha"), outcome=outcome)
    assert punch_of(known_capture(decided("asha"))) is not None
    assert punch_of(known_capture(event)) is None


def test_a_later_suspicion_takes_the_punch_back() -> None:
    suspected = replace(decided(None, decision_round=1), outcome=Outcome.SUSPECTED_SPOOF)
    judgement = judged([suspected], known("asha"))
    assert (people(judgement.added), people(judgement.taken_back)) == ([], ["asha"])
    assert [stored.outcome for stored in judgement.stored] == [Outcome.SUSPECTED_SPOOF]
