"""The load: devices that send badges and faces, and people who correct, all through the door of ingest.

Senders follow the device protocol: one id for ever, and 408, 429, 503 and lost connections mean "keep and try
again", not before `Retry-After` says so, with exponential backoff and full jitter. Any other answer is final.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import httpx
import uuid_utils

from attendance_demo.scene.cast import Cast, Member
from attendance_demo.scene.plant import Plant
from attendance_demo.scene.retries import TRY_AGAIN, pause_seconds
from chaos.journal import JournalWriter
from chaos.plant import Calendar, Slot, badge_of

FIRST_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS = 0.1, 2.0
# Devices have been up for longer than the oldest check-in that they keep.
UPTIME_MS = 40 * 86_400_000
# As a kiosk would give up on a connection that hangs.
ANSWER_WITHIN_SECONDS = 6.0
PUNCHES_AT_ONCE, PUNCH_PAUSE_SECONDS = 6, 0.3
CAPTURE_PAUSE_SECONDS = 0.8
CORRECTION_PAUSE_SECONDS = 1.5
LOOK_SECONDS = 0.05

Post = Callable[[], Awaitable[httpx.Response]]


@dataclass(slots=True)
class Traffic:
    """Everything that is sent to one plant. Ask `pause` for silence: it returns when all has its answer."""

    plant: Plant
    client: httpx.AsyncClient
    cast: Cast
    people: list[str]
    journal: JournalWriter
    calendar: Calendar
    rng: random.Random
    tries: int = 0
    answers: int = 0
    _accepted: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    _sequences: dict[str, int] = field(default_factory=dict)
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _senders: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Let it flow."""
        self._flowing.set()
        work: list[tuple[Callable[[], Awaitable[None]], float]] = [
            *[(self._punch, PUNCH_PAUSE_SECONDS)] * PUNCHES_AT_ONCE,
            (self._capture, CAPTURE_PAUSE_SECONDS),
            (self._correct, CORRECTION_PAUSE_SECONDS),
        ]
        self._senders = [asyncio.create_task(self._flow(one, pause)) for one, pause in work]

    async def flows(self, count: int, within: float) -> None:
        """Return when so many more have their answer. Raises TimeoutError."""
        enough = self.answers + count
        async with asyncio.timeout(within):
            while self.answers < enough:  # noqa: ASYNC110 - polled as cheaply as an event for each answer
                await asyncio.sleep(LOOK_SECONDS)

    async def pause(self, within: float) -> None:
        """Begin nothing new, and wait until everything has its final answer. Raises TimeoutError."""
        self._flowing.clear()
        senders, self._senders = self._senders, []
        async with asyncio.timeout(within):
            await asyncio.gather(*senders)

    async def stop(self) -> None:
        """Give up what is under way."""
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _flow(self, send: Callable[[], Awaitable[None]], pause: float) -> None:
        while self._flowing.is_set():
            await send()
            await asyncio.sleep(self.rng.uniform(0, 2 * pause))

    async def _punch(self) -> None:
        slot = self.calendar.slot(self.rng.choice(self.people))
        device = self.plant.own(self.rng.choice(("gate-1", "gate-2")))
        identity = _time_ordered(slot.at)
        clocks = _clocks(slot.at)
        body = {
            "punch_id": str(identity),
            "device_sequence": self._next(device),
            "method": "badge",
            "badge": badge_of(slot.person_id),
        }

        def post() -> Awaitable[httpx.Response]:
            document = {**body, **clocks, **_clocks_now()}
            return self._post("/v1/punches", self.plant.headers("device", device), document)

        if await self._send("punch", str(identity), slot, post, device_id=device):
            self._accepted.setdefault((slot.person_id, f"{slot.on}"), []).append(str(identity))

    async def _capture(self) -> None:
        member: Member = self.rng.choice(self.cast.members)
        slot = self.calendar.slot(member.person_id)
        device = self.plant.own("camera")
        identity = str(_time_ordered(slot.at))
        body = {"capture_id": identity, "device_sequence": self._next(device), **_clocks(slot.at)}
        image = self.rng.choice(member.captures)

        def post() -> Awaitable[httpx.Response]:
            return self.client.post(
                f"{self.plant.ingest_url}/v1/captures",
                headers=self.plant.headers("device", device),
                data={"metadata": json.dumps({**body, **_clocks_now()})},
                files={"image": ("capture.jpg", image, "image/jpeg")},
            )

        await self._send("capture", identity, slot, post, device_id=device)

    async def _correct(self) -> None:
        crowded = [key for key, ids in self._accepted.items() if len(ids) > 1]
        hr, identity = self.plant.headers("hr", "chaos"), str(uuid4())
        common = {"correction_id": identity, "reason": f"chaos {identity}"}
        if crowded and self.rng.random() < 0.5:  # noqa: PLR2004 - as many of one as of the other
            person_id, on = key = self.rng.choice(crowded)
            voided = self._accepted[key].pop(self.rng.randrange(len(self._accepted[key])))
            document = {**common, "person_id": person_id, "punch_id": voided}
            slot = Slot(person_id, datetime.fromisoformat(on).date(), datetime.now(UTC))
            await self._send(
                "void",
                identity,
                slot,
                lambda: self._post("/v1/corrections/voids", hr, document),
                voids=voided,
            )
        else:
            slot = self.calendar.slot(self.rng.choice(self.people))
            added = {**common, "person_id": slot.person_id, "punched_at": slot.at.isoformat()}
            await self._send(
                "addition", identity, slot, lambda: self._post("/v1/corrections/additions", hr, added)
            )

    async def _send(self, kind: str, identity: str, slot: Slot, post: Post, **facts: object) -> bool:
        """Send until there is a final answer; say whether it was accepted."""
        self.journal.note(
            "sent",
            id=identity,
            kind=kind,
            person_id=slot.person_id,
            on=f"{slot.on}",
            at=slot.at.isoformat(),
            **facts,
        )
        ceiling, tries = FIRST_BACKOFF_SECONDS, 0
        while True:
            tries += 1
            self.tries += 1
            try:
                response = await post()
            except httpx.TransportError:
                response = None
            if response is not None and response.status_code not in TRY_AGAIN:
                break
            await asyncio.sleep(pause_seconds(response, ceiling, self.rng))
            ceiling = min(MAX_BACKOFF_SECONDS, ceiling * 2)
        self.answers += 1
        status = response.status_code
        answered_at = datetime.now(UTC).isoformat()
        self.journal.note("answered", id=identity, status=status, tries=tries, at=answered_at)
        return status == httpx.codes.ACCEPTED

    async def _post(
        self, path: str, headers: Mapping[str, str], document: Mapping[str, object]
    ) -> httpx.Response:
        return await self.client.post(
            self.plant.ingest_url + path, headers=dict(headers), json=dict(document)
        )

    def _next(self, device: str) -> int:
        self._sequences[device] = self._sequences.get(device, 0) + 1
        return self._sequences[device]


def _time_ordered(at: datetime) -> UUID:
    return UUID(str(uuid_utils.uuid7(nanoseconds=int(at.timestamp() * 1e9))))


def _uptime_ms() -> int:
    return UPTIME_MS + time.monotonic_ns() // 10**6


def _clocks(at: datetime) -> dict[str, object]:
    age_ms = int((datetime.now(UTC) - at).total_seconds() * 1000)
    return {"captured_at": at.isoformat(), "monotonic_ms": _uptime_ms() - age_ms, "boot_id": "boot-1"}


def _clocks_now() -> dict[str, object]:
    now = {"device_now": datetime.now(UTC).isoformat(), "monotonic_now_ms": _uptime_ms()}
    return {**now, "boot_id_now": "boot-1"}
