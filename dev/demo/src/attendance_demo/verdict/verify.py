"""Compares what the stores hold with what was sent, and words the verdict."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from zoneinfo import ZoneInfo

from attendance_demo.scene.morning import NIGHT_END, Morning
from attendance_demo.scene.play import Played
from attendance_demo.verdict.audit import REFUSED_OUTCOMES, Log, Stores

MAY_BE_NOBODY = frozenset({"UNKNOWN", "REVIEW"})


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of the last line. refused: at the door, by quality, without a face, or dead-lettered."""

    enrolled: int
    captures: int
    identified: int
    review: int
    unknown: int
    refused: int
    resent: int
    days: int
    lost: int
    double_counted: int
    p50_ms: int
    p99_ms: int

    def __str__(self) -> str:
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


@dataclass(frozen=True, slots=True)
class Identification:
    """What became of the captures of enrolled people."""

    themselves: int
    review: int
    unknown: int
    somebody_else: int

    def __str__(self) -> str:
        return " ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))


def count(log: Log, stores: Stores, refused_at_door: int) -> Figures:
    """Count from the stores alone. Latencies are those of live captures, from acceptance to the row."""
    outcomes = stores.by_outcome()
    rows = {row.capture_id for row in stores.captures}
    return Figures(
        enrolled=stores.enrolled,
        captures=len(log.captures),
        identified=outcomes["IDENTIFIED"],
        review=outcomes["REVIEW"],
        unknown=outcomes["UNKNOWN"],
        refused=refused_at_door + len(log.dead) + sum(outcomes[outcome] for outcome in REFUSED_OUTCOMES),
        resent=log.resent,
        days=stores.days,
        lost=len(log.captures - rows - set(log.dead)),
        double_counted=stores.twice + len(rows & set(log.dead)),
        p50_ms=round(stores.latency_ms(0.5, log.live)),
        p99_ms=round(stores.latency_ms(0.99, log.live)),
    )


def identification(played: Iterable[Played], stores: Stores, enrolled: Collection[str]) -> Identification:
    """Compare each capture of the enrolled people (ids) with its row."""
    rows = {row.capture_id: row for row in stores.captures}
    tally = dict.fromkeys(("themselves", "review", "unknown", "somebody_else"), 0)
    for item in played:
        row = rows.get(item.shot.capture_id)
        if item.planned.person_id not in enrolled or row is None:
            continue
        if row.outcome == "IDENTIFIED":
            tally["themselves" if row.person_id == item.planned.person_id else "somebody_else"] += 1
        else:
            tally["review" if row.outcome == "REVIEW" else "unknown"] += 1
    return Identification(**tally)


def complaints(
    played: list[Played],
    morning: Morning,
    log: Log,
    stores: Stores,
    figures: Figures,
    enrolled: Collection[str],
) -> list[str]:
    """Return every difference between what was sent and what the stores hold; empty when all is well."""
    rows = {row.capture_id: row for row in stores.captures}
    found = []
    accepted = {item.shot.capture_id for item in played if item.answer.accepted}
    if accepted != log.captures:
        found.append(f"{len(accepted ^ log.captures)} captures differ between the kiosks and the topics")
    if figures.lost:
        found.append(f"{figures.lost} acknowledged captures have neither a row nor a dead letter")
    if figures.double_counted:
        found.append(f"{figures.double_counted} captures were counted twice")
    if figures.enrolled != len(enrolled):
        found.append(f"{figures.enrolled} people are enrolled, the API told of {len(enrolled)}")
    if figures.resent != sum(item.planned.times - 1 for item in played):
        found.append(f"the topics hold {figures.resent} repetitions of captures")
    expected_days = _expected_days(played, morning, stores)
    if figures.days != expected_days:
        found.append(f"{figures.days} attendance days, the identified captures make {expected_days}")
    for item in played:
        row = rows.get(item.shot.capture_id)
        outcome = row.outcome if row else ("DEAD" if item.shot.capture_id in log.dead else "REFUSED")
        if problem := _surprise(item, outcome, row.person_id if row else None):
            found.append(problem)
    return found


def _surprise(item: Played, outcome: str, person_id: str | None) -> str | None:
    expected = {
        "stranger": MAY_BE_NOBODY,
        "blurred": {"POOR_QUALITY", "NO_FACE"},
        "no face": {"NO_FACE"},
        "damaged photo": {"DEAD"},
        "not a photo": {"REFUSED"},
    }.get(item.planned.what)
    if expected is not None and outcome not in expected:
        return f"the capture '{item.planned.what}' ended as {outcome}"
    if expected is None and outcome == "IDENTIFIED" and person_id != item.planned.person_id:
        return f"a capture of {item.planned.person_id} was identified as {person_id}"
    return None


def _expected_days(played: list[Played], morning: Morning, stores: Stores) -> int:
    """Count the days that the identified captures make; a night belongs to the evening before."""
    identified = {row.capture_id: row.person_id for row in stores.captures if row.outcome == "IDENTIFIED"}
    zone = ZoneInfo(morning.zone)
    days = set()
    for item in played:
        if item.shot.capture_id in identified:
            local: datetime = item.shot.captured_at.astimezone(zone)
            night = item.planned.what.startswith("night")
            before = night and local.hour <= NIGHT_END.hour + 1
            day = local.date().toordinal() - (1 if before else 0)
            days.add((identified[item.shot.capture_id], night, day))
    return len(days)
