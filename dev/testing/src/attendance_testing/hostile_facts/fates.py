"""Send facts, and ask what became of each that was accepted: no fate may stay untold."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx

from attendance_testing.hostile_facts.facts import Fact, document_of
from service_kit.side_by_side import side_by_side

# Where query-api tells the fate of each kind.
TOLD_AT = {
    "captures": "captures",
    "punches": "punches",
    "supervised": "punches",
    "enrolments": "enrolments",
    "locks": "corrections",
    "reopenings": "corrections",
}
# The problems by which query-api tells what there is no row of; unknown, until it has come there.
FATES = {"-refused": "refused", "-dead-letter": "poison", "-waiting": "waiting", "unknown-": "waiting"}
WITHIN_SECONDS = 60.0
AT_ONCE = 8
Token = Callable[[str, str, Sequence[str]], str]


@dataclass(slots=True)
class Tally:
    """What became of facts. refused_at_door: never accepted, with the answers' problems counted."""

    sent: int = 0
    refused_at_door: Counter[str] = field(default_factory=Counter)
    accepted: dict[tuple[str, str], Fact] = field(default_factory=dict)
    fates: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[str, str, str]] = field(default_factory=list)
    normal_lost: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sender:
    """Sends facts to ingest as those who they say, and asks query-api about them as hr."""

    client: httpx.AsyncClient
    ingest: str
    query_api: str
    sign: Token
    tally: Tally = field(default_factory=Tally)

    async def send(self, fact: Fact) -> None:
        """Send a fact. A server error fails the run: no fact may cause one."""
        request = fact.request
        token = self.sign(request.role, request.subject, request.sites)
        headers = {"Authorization": f"Bearer {token}"}
        url = self.ingest + request.path
        if request.json is not None:
            headers["Content-Type"] = "application/json"
            # Not by the client, which cannot write half a character.
            body = json.dumps(request.json).encode()
            response = await self.client.post(url, headers=headers, content=body)
        else:
            response = await self.client.post(url, headers=headers, files=request.files)
        self.tally.sent += 1
        if response.is_server_error:
            raise AssertionError(
                f"{response.status_code} for {fact.kind} {document_of(request)}: {response.text}"
            )
        if response.is_success:
            identity = next(iter(response.json().values()))
            self.tally.accepted[fact.kind, str(identity)] = fact
        else:
            self.tally.refused_at_door[response.json()["type"]] += 1
            if fact.is_normal:
                self.tally.normal_lost.append(f"at the door: {response.text}")

    async def ask_all(self) -> None:
        """Ask about every accepted fact until its fate is told, or time is over."""

        async def ask(accepted: tuple[tuple[str, str], Fact]) -> None:
            key, fact = accepted
            fate, answer = await self._fate(*key)
            self.tally.fates[fate] += 1
            if fate == "unexplained":
                self.tally.unexplained.append((*key, answer))
            if fact.is_normal and fate != "applied":
                self.tally.normal_lost.append(f"{fate}: {answer}")

        await side_by_side(ask, self.tally.accepted.items(), at_once=AT_ONCE)

    async def _fate(self, kind: str, identity: str) -> tuple[str, str]:
        until = time.monotonic() + WITHIN_SECONDS
        where = f"{self.query_api}/v1/{TOLD_AT.get(kind, 'corrections')}/{identity}"
        headers = {"Authorization": f"Bearer {self.sign('hr', 'settler', ())}"}
        while True:
            response = await self.client.get(where, headers=headers)
            fate = fate_of(response)
            if fate != "waiting" or time.monotonic() > until:
                return "unexplained" if fate == "waiting" else fate, response.text
            await asyncio.sleep(0.2)


def fate_of(response: httpx.Response) -> str:
    """Return applied, refused, poison, waiting, or unexplained with what was answered instead."""
    if response.is_success:
        return "waiting" if response.json().get("state") == "WAITING" else "applied"
    name = str(response.json().get("type", "")).rpartition(":")[2]
    for ending, fate in FATES.items():
        if name.endswith(ending) or name.startswith(ending):
            return fate
    return "unexplained"
