"""Sets up the plant as HR and operations would: through ingest, with tokens of their roles."""

import asyncio
import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time as clock
from uuid import UUID

import httpx

from attendance_demo.errors import DemoError
from attendance_demo.scene.cast import Member
from attendance_demo.scene.morning import DAY_END, DAY_START, NIGHT_END, NIGHT_START, Morning
from service_kit.side_by_side import side_by_side

SHIFTS_FROM = "2026-01-01"
KIOSKS = ("gate-1", "gate-2", "yard")
ENROLMENTS_AT_ONCE = 4
DECIDED_WITHIN_SECONDS = 180.0
UNTIL_LATE_MINUTES = 11 * 60
# Not decided yet, or asked more often than a gateway grants.
ASK_AGAIN = frozenset({httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class Plant:
    """An organisation of this run; ids end in the run so that runs never meet."""

    run: str
    client: httpx.AsyncClient
    ingest_url: str
    query_url: str
    sign: Callable[[str, str], str]

    @property
    def org_id(self) -> str:
        """Return the organisation."""
        return f"acme-{self.run}"

    def own(self, name: str) -> str:
        """Return an id of this run."""
        return f"{name}-{self.run}"

    def headers(self, role: str, subject: str = "demo") -> dict[str, str]:
        """Return the authorization of a role."""
        return {"Authorization": f"Bearer {self.sign(role, subject)}"}

    async def record(self, morning: Morning, members: Sequence[Member]) -> None:
        """Record organisation, site, kiosks, shifts, people and rosters."""
        ops, hr = self.headers("ops"), self.headers("hr")
        zone = morning.zone
        await self._put(ops, "organisations", self.org_id, {"name": "Acme Works", "time_zone": zone})
        await self._put(ops, "sites", self.own("plant"), {"name": f"Plant at {zone}", "time_zone": zone})
        for kiosk in KIOSKS:
            device = {"site_id": self.own("plant"), "name": kiosk, "kind": "kiosk"}
            await self._put(ops, "devices", self.own(kiosk), device)
        for name, start, end in (("day", DAY_START, DAY_END), ("night", NIGHT_START, NIGHT_END)):
            await self._put_shift(hr, name, start, end, effective_on=SHIFTS_FROM)
        await self._import_people(hr, members)
        for member in members:
            if member.night:
                entry = {
                    "person_id": member.person_id,
                    "shift_id": self.own("night"),
                    "starts_on": SHIFTS_FROM,
                }
                await self._put(hr, "rosters", f"{member.person_id}-nights", entry)

    async def stay_open(self, morning: Morning) -> str:
        """Record what captures by hand need, and return the id of the person who may enrol by hand.

        From today on, the day shift takes punches until late and counts each; outside it, a day is flexible.
        """
        hr, you = self.headers("hr"), self.own("you")
        today = morning.today.isoformat()
        policy = {"effective_on": today, "name": "After the morning", "flexible_day_start": "00:00"}
        await self._put(hr, "policies", self.own("open"), {**policy, "expects_attendance": False})
        late = {"window_after_minutes": UNTIL_LATE_MINUTES, "debounce_seconds": 0}
        await self._put_shift(hr, "day", DAY_START, DAY_END, effective_on=today, **late)
        person = {"home_site_id": self.own("plant"), "display_name": "You", "joined_on": today}
        await self._put(hr, "persons", you, {**person, "default_shift_id": self.own("day")})
        return you

    async def _put_shift(
        self, headers: dict[str, str], name: str, start: clock, end: clock, **fields: object
    ) -> None:
        times = {"name": name, "start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "late_grace_minutes": 5}
        await self._put(headers, "shifts", self.own(name), {**times, **fields})

    async def _put(
        self, headers: dict[str, str], kind: str, identity: str, document: Mapping[str, object]
    ) -> None:
        url = f"{self.ingest_url}/v1/directory/{kind}/{identity}"
        _expect(await self.client.put(url, headers=headers, json=document), f"recording {kind}/{identity}")

    async def _import_people(self, headers: dict[str, str], members: Sequence[Member]) -> None:
        rows = io.StringIO()
        writer = csv.writer(rows)
        writer.writerow(["person_id", "home_site_id", "display_name", "joined_on", "default_shift_id"])
        for member in members:
            writer.writerow([member.person_id, self.own("plant"), member.name, SHIFTS_FROM, self.own("day")])
        response = await self.client.post(
            f"{self.ingest_url}/v1/directory/persons/import",
            headers={**headers, "Content-Type": "text/csv"},
            content=rows.getvalue().encode(),
        )
        _expect(response, "importing people")

    async def enrol(
        self, members: Sequence[Member], decided: Callable[[int], object] = int
    ) -> dict[str, str]:
        """Enrol everybody; return the outcome by person. `decided` is told how many are."""
        ids = await side_by_side(self._request_enrolment, members, at_once=ENROLMENTS_AT_ONCE)
        requested = dict(zip((member.person_id for member in members), ids, strict=True))
        outcomes: dict[str, str] = {}
        until = time.monotonic() + DECIDED_WITHIN_SECONDS
        while len(outcomes) < len(requested):
            for person_id, identity in requested.items():
                if person_id not in outcomes and (outcome := await self._outcome(identity)):
                    outcomes[person_id] = outcome
            decided(len(outcomes))
            if time.monotonic() > until:
                raise DemoError(f"{len(requested) - len(outcomes)} enrolments are not decided; see the logs")
            await asyncio.sleep(0.1)
        return outcomes

    async def _request_enrolment(self, member: Member) -> UUID:
        metadata = {"person_id": member.person_id, "consent_reference": "demo/consent"}
        response = await self.client.post(
            f"{self.ingest_url}/v1/enrolments",
            headers=self.headers("hr"),
            data={"metadata": json.dumps(metadata)},
            files=[("photos", ("photo.jpg", photo, "image/jpeg")) for photo in member.enrol],
        )
        _expect(response, f"enrolling {member.person_id}")
        return UUID(response.json()["enrolment_id"])

    async def _outcome(self, enrolment_id: UUID) -> str | None:
        url = f"{self.query_url}/v1/enrolments/{enrolment_id}"
        response = await self.client.get(url, headers=self.headers("hr"))
        if response.status_code in ASK_AGAIN:
            return None
        _expect(response, f"reading enrolment {enrolment_id}")
        return str(response.json()["outcome"])

    async def attendance(self, morning: Morning, first: str) -> list[dict[str, object]]:
        """Return the attendance days as an analyst reads them, from `first` (a date) until today."""
        rows: list[dict[str, object]] = []
        page: str | None = f"/v1/attendance?from={first}&to={morning.today.isoformat()}"
        while page:
            response = await self.client.get(f"{self.query_url}{page}", headers=self.headers("analyst"))
            _expect(response, "reading attendance")
            rows.extend(response.json()["items"])
            page = response.json()["next"]
        return rows


def _expect(response: httpx.Response, what: str) -> None:
    if response.is_error:
        raise DemoError(f"{what} failed with {response.status_code}: {response.text}")
