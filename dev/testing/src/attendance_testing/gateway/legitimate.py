"""What kiosks and people send all day: every write and every question of the API, with words that people use.

Names and reasons are of many languages, and some look like code to a machine: nobody may be blocked because
of the name that he has. Request number N is always of the same kind.
"""

import io
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

import httpx
import uuid_utils
from PIL import Image

WORDS = Path(__file__).parents[5] / "deploy/gateway/tests"
NAMES = tuple((WORDS / "names.txt").read_text(encoding="utf-8").splitlines())
REASONS = tuple((WORDS / "reasons.txt").read_text(encoding="utf-8").splitlines())
PEOPLE = 400
DEVICES = 20
# Recorded as well, and silent here: whoever tests sends as this one.
SPARE_DEVICE = f"gate-{DEVICES}"
CSV = "text/csv; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, whose answer has one of `statuses` when it reached its service."""

    method: str
    path: str
    role: str
    subject: str
    statuses: frozenset[int]
    content: Mapping[str, object] = field(default_factory=dict)


def photo(chance: random.Random) -> bytes:
    """Return a JPEG whose bytes are of no pattern."""
    side = chance.choice((64, 96, 160))
    image = Image.frombytes("RGB", (side, side), chance.randbytes(side * side * 3))
    written = io.BytesIO()
    image.save(written, "JPEG", quality=chance.choice((60, 85, 95)))
    return written.getvalue()


def text_of_people(chance: random.Random, lines: int) -> str:
    """Return a CSV of people as spreadsheets write it."""
    rows = ["person_id,home_site_id,display_name,joined_on"]
    for _ in range(lines):
        name = chance.choice(NAMES).replace('"', '""')
        rows.append(f'p-{chance.randrange(PEOPLE)},plant,"{name}",2026-01-01')
    distinct = {row.partition(",")[0]: row for row in rows}
    return "\r\n".join(distinct.values()) + "\r\n"


def setting_up(org_id: str) -> Iterator[Sent]:
    """Yield what has to be there before: organisation, site, shift, devices, people."""
    made = frozenset({200})
    zone = {"time_zone": "Asia/Kolkata"}

    def put(path: str, role: str, **document: object) -> Sent:
        return Sent("PUT", f"/v1/directory/{path}", role, "setter", made, {"json": document})

    yield put(f"organisations/{org_id}", "ops", name="Acme Works", **zone)
    yield put("sites/plant", "ops", name="Plant 1", **zone)
    yield put("shifts/day", "hr", name="Day", start="08:00", end="16:30", effective_on="2026-01-01")
    for number in range(DEVICES + 1):
        yield put(f"devices/gate-{number}", "ops", site_id="plant", name=f"Gate {number}", kind="kiosk")
    for number in range(PEOPLE):
        yield put(f"persons/p-{number}", "hr", home_site_id="plant", display_name=NAMES[number % len(NAMES)])


class Traffic:
    """Makes request after request of one organisation."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self._sequences = dict.fromkeys(range(DEVICES), 0)
        self._today = datetime.now(UTC).date()
        self._kinds: dict[Callable[[], Sent], int] = {
            self._capture: 20,
            self._punch: 12,
            self._person: 14,
            self._import: 4,
            self._upload: 3,
            self._correction: 8,
            self._enrolment: 3,
            self._leave: 3,
            self._device: 2,
            self._question: 31,
        }

    def __iter__(self) -> Iterator[Sent]:
        """Yield requests without end."""
        kinds, weights = list(self._kinds), list(self._kinds.values())
        while True:
            yield self._chance.choices(kinds, weights)[0]()

    def _capture(self) -> Sent:
        device, clocks = self._clocks()
        metadata = {
            "capture_id": str(self._uuid7()),
            "direction": self._chance.choice(("IN", "OUT", None)),
            **clocks,
        }
        image = ("image", (f"capture {device}.jpg", photo(self._chance), "image/jpeg"))
        content = {"data": {"metadata": json.dumps(metadata)}, "files": [image]}
        return Sent("POST", "/v1/captures", "device", f"gate-{device}", frozenset({202}), content)

    def _punch(self) -> Sent:
        device, clocks = self._clocks()
        document = {"punch_id": str(self._uuid7()), "method": "pin", "person_id": self._person_id(), **clocks}
        return Sent("POST", "/v1/punches", "device", f"gate-{device}", frozenset({202}), {"json": document})

    def _person(self) -> Sent:
        document = {"home_site_id": "plant", "display_name": self._name(), "default_shift_id": "day"}
        return self._put(f"persons/{self._person_id()}", "hr", document)

    def _device(self) -> Sent:
        document = {"site_id": "plant", "name": self._name(), "kind": "kiosk"}
        return self._put(f"devices/gate-{self._chance.randrange(DEVICES)}", "ops", document)

    def _leave(self) -> Sent:
        document = {"person_id": self._person_id(), "starts_on": "2026-03-02", "ends_on": "2026-03-06"}
        return self._put(
            f"leaves/{self._uuid7()}", "hr", {**document, "name": self._chance.choice(REASONS)[:40]}
        )

    def _import(self) -> Sent:
        text = text_of_people(self._chance, self._chance.randrange(2, 40))
        content = {"content": text.encode(), "headers": {"Content-Type": CSV}}
        return Sent("POST", "/v1/directory/persons/import", "hr", "hr-1", frozenset({200}), content)

    def _upload(self) -> Sent:
        text = text_of_people(self._chance, self._chance.randrange(2, 40))
        content = {"files": {"file": ("people of O'Brien.csv", text.encode(), "text/csv")}}
        return Sent("POST", "/v1/directory/persons/import", "hr", "hr-1", frozenset({200}), content)

    def _enrolment(self) -> Sent:
        metadata = {
            "person_id": self._person_id(),
            "consent_reference": f"HR/{self._today}/form no. 7 (signed)",
        }
        photos = [("photos", (f"{n} of 2.jpg", photo(self._chance), "image/jpeg")) for n in range(2)]
        content = {"data": {"metadata": json.dumps(metadata)}, "files": photos}
        return Sent("POST", "/v1/enrolments", "hr", "hr-1", frozenset({202}), content)

    def _correction(self) -> Sent:
        common = {"correction_id": str(self._uuid7()), "reason": self._chance.choice(REASONS)}
        document = {
            **common,
            "person_id": self._person_id(),
            "site_id": "plant",
            "punched_at": self._moment().isoformat(),
            "direction": "IN",
        }
        return Sent("POST", "/v1/corrections/additions", "hr", "hr-1", frozenset({202}), {"json": document})

    def _question(self) -> Sent:
        first = self._today - timedelta(days=self._chance.randrange(1, 28))
        days = {"from": str(first), "to": str(self._today)}
        person, unknown = self._person_id(), frozenset({200, 404})
        path, parameters = self._chance.choice(
            (
                ("/v1/attendance", {**days, "person": person}),
                ("/v1/attendance", {**days, "site": "plant", "limit": 50}),
                ("/v1/people", {"q": self._name()}),
                ("/v1/people", {"q": self._name()[:3], "limit": 20}),
                ("/v1/presence", {"site": "plant"}),
                ("/v1/unscheduled", days),
                ("/v1/adjustments", {**days, "person": person}),
                ("/v1/period-locks", days),
                (f"/v1/people/{person}/attendance", days),
                (f"/v1/punches/{self._uuid7()}", {}),
                (f"/v1/captures/{self._uuid7()}", {}),
                (f"/v1/corrections/{self._uuid7()}", {}),
                ("/v1/organisation", {}),
            )
        )
        query = f"?{urlencode(parameters)}" if parameters else ""
        return Sent("GET", path + query, "hr", "hr-1", unknown)

    def _put(self, path: str, role: str, document: Mapping[str, object]) -> Sent:
        return Sent("PUT", f"/v1/directory/{path}", role, f"{role}-1", frozenset({200}), {"json": document})

    def _clocks(self) -> tuple[int, dict[str, object]]:
        device = self._chance.randrange(DEVICES)
        self._sequences[device] += 1
        moment = self._moment().isoformat()
        return device, {"device_sequence": self._sequences[device], "captured_at": moment}

    def _moment(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=self._chance.randrange(60, 86_400))

    def _uuid7(self) -> UUID:
        return UUID(str(uuid_utils.uuid7()))

    def _person_id(self) -> str:
        return f"p-{self._chance.randrange(PEOPLE)}"

    def _name(self) -> str:
        return self._chance.choice(NAMES)


async def send(client: httpx.AsyncClient, sent: Sent, sign: Callable[[str, str], str]) -> httpx.Response:
    """Send a request with a token of its role."""
    options = dict(sent.content)
    headers = {"Authorization": f"Bearer {sign(sent.role, sent.subject)}", **options.pop("headers", {})}  # type: ignore[dict-item]
    return await client.request(sent.method, sent.path, headers=headers, **options)  # type: ignore[arg-type]
