"""The verdict of the demo must be able to fail: each kind of harm is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from attendance_demo.scene.cast import Cast, Member
from attendance_demo.scene.kiosk import Answer, Shot
from attendance_demo.scene.morning import ZONES, plan_morning, zone_at_noon
from attendance_demo.scene.play import Played
from attendance_demo.verdict.audit import CaptureRow, Log, Stores
from attendance_demo.verdict.verify import complaints, count, identification

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)  # noon in Asia/Kolkata
CAST = Cast(
    members=(
        Member("p1", "Day", night=False, enrol=(b"e",), captures=(b"1", b"2")),
        Member("p2", "Night", night=True, enrol=(b"e",), captures=(b"3", b"4")),
    ),
    strangers=(b"s",),
    blurred=b"b",
    faceless=b"f",
    corrupt=b"c",
)
MORNING = plan_morning(CAST, NOW)
OUTCOMES = {
    "stranger": "UNKNOWN",
    "blurred": "POOR_QUALITY",
    "no face": "NO_FACE",
    "damaged photo": "DEAD",
    "not a photo": "REFUSED",
}


@pytest.fixture
def played() -> list[Played]:
    plan = (*MORNING.earlier, *MORNING.live, *MORNING.offline)
    return [
        Played(
            planned,
            Shot(
                UUID(int=number),
                number,
                planned.captured_at or NOW,
                planned.image,
                "image/jpeg",
                None,
                "b",
                0,
            ),
            Answer(415 if planned.what == "not a photo" else 202, {}, 1),
        )
        for number, planned in enumerate(plan)
    ]


@pytest.fixture
def log(played) -> Log:
    log = Log()
    for item in played:
        if item.answer.accepted:
            log.records += item.planned.times
            (log.backlog if item.planned.captured_at else log.live).add(item.shot.capture_id)
            if item.planned.what == "damaged photo":
                log.dead[item.shot.capture_id] = "damaged"
    return log


@pytest.fixture
def stores(played) -> Stores:
    rows = []
    for item in played:
        outcome = OUTCOMES.get(item.planned.what, "IDENTIFIED")
        if outcome not in {"DEAD", "REFUSED"}:
            person = item.planned.person_id if outcome == "IDENTIFIED" else None
            rows.append(
                CaptureRow(item.shot.capture_id, outcome, person, None, 100.0 + item.shot.device_sequence)
            )
    return Stores(enrolled=2, days=3, twice=0, captures=rows)


def judge(played, log, stores) -> list[str]:
    return complaints(played, MORNING, log, stores, count(log, stores, 1), {"p1", "p2"})


def test_all_is_well(played, log, stores):
    assert judge(played, log, stores) == []
    figures = count(log, stores, 1)
    assert (figures.captures, figures.identified, figures.unknown, figures.refused) == (10, 6, 1, 4)
    assert (figures.resent, figures.lost, figures.double_counted) == (2, 0, 0)
    assert figures.p50_ms <= figures.p99_ms
    assert str(figures).startswith("enrolled=2 captures=10 identified=6 ")
    assert (
        str(identification(played, stores, {"p1", "p2"})) == "themselves=6 review=0 unknown=0 somebody_else=0"
    )


def test_lost_capture_is_found(played, log, stores):
    missing = replace(stores, captures=stores.captures[1:])
    assert "1 acknowledged captures have neither a row nor a dead letter" in judge(played, log, missing)


def test_capture_missing_from_the_topics_is_found(played, log, stores):
    log.live.pop()
    assert any(
        "differ between the kiosks and the topics" in complaint for complaint in judge(played, log, stores)
    )


def test_double_counting_is_found(played, log, stores):
    assert "1 captures were counted twice" in judge(played, log, replace(stores, twice=1))


def test_missing_repetition_and_missing_day_are_found(played, log, stores):
    log.records -= 1
    assert "the topics hold 1 repetitions of captures" in judge(played, log, stores)
    assert "2 attendance days, the identified captures make 3" in judge(played, log, replace(stores, days=2))


def test_somebody_else_is_found(played, log, stores):
    rows = [replace(row, person_id="p2") if row.person_id == "p1" else row for row in stores.captures]
    wrong = replace(stores, captures=rows)
    assert "a capture of p1 was identified as p2" in judge(played, log, wrong)
    assert identification(played, wrong, {"p1", "p2"}).somebody_else == 4


@pytest.mark.parametrize("what", ["stranger", "blurred", "no face"])
def test_person_out_of_nobody_is_found(played, log, stores, what):
    (nobody,) = (item.shot.capture_id for item in played if item.planned.what == what)
    rows = [
        replace(row, outcome="IDENTIFIED", person_id="p1") if row.capture_id == nobody else row
        for row in stores.captures
    ]
    assert f"the capture '{what}' ended as IDENTIFIED" in judge(played, log, replace(stores, captures=rows))


@pytest.mark.parametrize("hour", range(24))
def test_it_is_about_noon_somewhere(hour):
    for month in (1, 7):
        now = datetime(2026, month, 15, hour, 29, tzinfo=UTC)
        local = now.astimezone(ZoneInfo(zone_at_noon(now)))
        assert abs(local - local.replace(hour=12, minute=0)) <= timedelta(minutes=35), ZONES
