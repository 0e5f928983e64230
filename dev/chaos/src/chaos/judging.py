"""What was promised, held against what is told: pure, so that a verdict can be tried on answers that lie."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

# How far an instant may be from what the device noted: its clock is corrected at the upload.
CLOCK_TOLERANCE = timedelta(seconds=60)
CAPTURE = "capture"
ADDITION = "addition"
VOID = "void"
PAIRED, ADDED = "alternating_pairing", "add_correction"


@dataclass(slots=True)
class Sent:
    """One thing that was sent. `on`: the local date that it belongs to; `status`: None without an answer."""

    id: str
    kind: str
    person_id: str
    on: str
    at: datetime
    device_id: str | None = None
    voids: str | None = None
    status: int | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the answer was a promise."""
        return self.status == httpx.codes.ACCEPTED


@dataclass(frozen=True, slots=True)
class Journal:
    """What was sent, by id."""

    sent: Mapping[str, Sent]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the JSON lines of senders: `sent` before the first try, `answered` after the last."""
        sent: dict[str, Sent] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            match entry.pop("event"):
                case "sent":
                    at = datetime.fromisoformat(entry.pop("at"))
                    sent[entry["id"]] = Sent(at=at, **entry)
                case "answered":
                    sent[entry["id"]].status = entry["status"]
        return cls(sent)

    @property
    def voided(self) -> Mapping[str, bool]:
        """Ids of punches that somebody voided, with whether that was accepted for certain."""
        return {
            each.voids: each.is_accepted for each in self.sent.values() if each.kind == VOID and each.voids
        }

    def check_ins(self) -> Iterator[Sent]:
        """Give what should be counted, unless it is voided."""
        return (each for each in self.sent.values() if each.kind != VOID)


@dataclass(frozen=True, slots=True)
class Place:
    """A day that counts something."""

    person_id: str
    on: str
    shift_id: str


@dataclass(slots=True)
class Told:
    """What the query API tells: days with what they count, and decided captures."""

    days: dict[Place, Mapping[str, Any]] = field(default_factory=dict)
    counted: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))
    decided: dict[str, list[tuple[str, str | None]]] = field(default_factory=lambda: defaultdict(list))

    def add_day(self, person_id: str, day: Mapping[str, Any], additions: Mapping[str, str]) -> None:
        """Note a day; `additions` names what people added, by the reason that they gave."""
        place = Place(person_id, day["attendance_on"], day["shift_id"])
        self.days[place] = day
        names: dict[str, str] = {}
        for entry in day["explanation"]:
            if entry["rule"] == ADDED:
                reason = entry["text"].rpartition(": ")[2]
                names[entry["punch"]] = additions.get(reason, entry["punch"])
        for entry in day["explanation"]:
            if entry["rule"] == PAIRED:
                self.counted[names.get(entry["punch"], entry["punch"])].append(place)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    kind: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The count and the findings."""

    sent: int
    accepted: int
    counted: int
    findings: Sequence[Finding]
    seconds: float = 0.0

    KINDS = (
        *("lost", "double_counted", "misplaced", "invented", "not_voided", "undecided", "wrong_totals"),
        *("refused", "unanswered"),
    )

    def __str__(self) -> str:
        kinds = Counter(finding.kind for finding in self.findings)
        counts = " ".join(f"{kind}={kinds[kind]}" for kind in self.KINDS)
        return f"sent={self.sent} accepted={self.accepted} counted={self.counted} {counts}"

    def as_json(self) -> str:
        """Return it for scripts."""
        kinds = Counter(finding.kind for finding in self.findings)
        figures = {"sent": self.sent, "accepted": self.accepted, "counted": self.counted}
        found = [{"kind": each.kind, "id": each.id, "text": each.text} for each in self.findings]
        counts = {kind: kinds[kind] for kind in self.KINDS}
        return json.dumps({**figures, **counts, "seconds": round(self.seconds, 1), "findings": found})


def judge(journal: Journal, told: Told) -> Verdict:
    """Compare what was promised with what is told."""
    findings = [
        *_places(journal, told),
        *_decisions(journal, told),
        *_answers(journal),
        *_totals(journal, told),
    ]
    unknown = set(told.counted) - set(journal.sent)
    findings += [
        Finding("invented", id, f"counted in {told.counted[id]}, nobody sent it") for id in sorted(unknown)
    ]
    sent = list(journal.sent.values())
    return Verdict(
        sent=len(sent),
        accepted=sum(each.is_accepted for each in sent),
        counted=len(set(told.counted) & set(journal.sent)),
        findings=findings,
    )


def _places(journal: Journal, told: Told) -> Iterator[Finding]:
    """Whatever was accepted is in one day, of its person, on its date; unless it was voided."""
    voided = journal.voided
    for each in journal.check_ins():
        places = told.counted.get(each.id, [])
        if each.id in voided:
            if places and voided[each.id]:
                yield Finding("not_voided", each.id, f"{each.kind} is voided and counts in {places}")
        elif each.is_accepted and not places:
            yield Finding("lost", each.id, f"{each.kind} of {each.person_id} on {each.on} counts nowhere")
        if len(places) > 1:
            yield Finding("double_counted", each.id, f"{each.kind} counts in {places}")
        elif places and (places[0].person_id, places[0].on) != (each.person_id, each.on):
            yield Finding(
                "misplaced", each.id, f"{each.kind} of {each.person_id} on {each.on} is in {places[0]}"
            )
    for place, day in told.days.items():
        names = sum(entry["rule"] == PAIRED for entry in day["explanation"])
        if day["punch_count"] != names:
            text = f"{place} has punch_count {day['punch_count']} and explains {names}"
            yield Finding("double_counted", f"{place.person_id}/{place.on}", text)


def _decisions(journal: Journal, told: Told) -> Iterator[Finding]:
    """Every accepted capture was decided once, as the person whom it shows."""
    for each in journal.check_ins():
        decided = told.decided.get(each.id, [])
        if each.kind != CAPTURE or not (each.is_accepted or decided):
            continue
        if not decided:
            yield Finding("undecided", each.id, f"capture of {each.person_id} has no decision")
        elif len(decided) > 1:
            yield Finding("double_counted", each.id, f"capture is listed {len(decided)} times")
        elif decided[0] != ("IDENTIFIED", each.person_id):
            yield Finding("misplaced", each.id, f"capture of {each.person_id} was decided as {decided[0]}")


def _answers(journal: Journal) -> Iterator[Finding]:
    """Nothing here deserves a refusal, and senders go on until there is an answer."""
    for each in journal.sent.values():
        if each.status is None:
            yield Finding("unanswered", each.id, f"{each.kind} has no answer")
        elif not each.is_accepted:
            yield Finding("refused", each.id, f"{each.kind} was refused with {each.status}")


def _totals(journal: Journal, told: Told) -> Iterator[Finding]:
    """First in, last out and time worked follow from the instants of what counts."""
    expected: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    uncertain = {(each.person_id, each.on) for each in journal.sent.values() if each.status is None}
    voided = journal.voided
    for each in journal.check_ins():
        if each.is_accepted and not voided.get(each.id):
            expected[each.person_id, each.on].append(each.at)
    for place, day in told.days.items():
        key = (place.person_id, place.on)
        if key in uncertain or not (instants := expected.get(key)):
            continue
        first, last = min(instants), max(instants)
        last_out = last if len(instants) > 1 and len(instants) % 2 == 0 else None
        wrong = _differs(day["first_in_at"], first)
        if last_out is not None:
            wrong |= _differs(day["last_out_at"], last_out)
            wrong |= abs(timedelta(minutes=day["worked_minutes"]) - (last_out - first)) > 2 * CLOCK_TOLERANCE
        if wrong:
            said = {name: day[name] for name in ("first_in_at", "last_out_at", "worked_minutes")}
            text = f"{place} says {said}, its check-ins go from {first} to {last}"
            yield Finding("wrong_totals", f"{place.person_id}/{place.on}", text)


def _differs(said: str | None, instant: datetime) -> bool:
    return said is None or abs(datetime.fromisoformat(said) - instant) > CLOCK_TOLERANCE
