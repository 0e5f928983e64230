"""The attack corpus: OWASP's own regression tests of the Core Rule Set, sent byte by byte."""

import asyncio
import base64
import json
import ssl
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parents[5] / "deploy/gateway/tests/attacks.json"
ANSWERED_WITHIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Attack:
    """The test that it is of, and the whole request."""

    name: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, and the type of the problem that the body is; empty when it is none."""

    status: int
    problem: str

    @property
    def is_blocked(self) -> bool:
        """Whether the gateway refused it: as an attack, or as no HTTP."""
        return (self.status, self.problem) in {(403, "urn:problem:blocked"), (400, "urn:problem:bad-request")}


def corpus() -> list[Attack]:
    """Return every attack."""
    found = json.loads(CORPUS.read_text(encoding="utf-8"))
    return [Attack(each["name"], base64.b64decode(each["request"])) for each in found]


async def send(attack: Attack, port: int, trust: ssl.SSLContext) -> Reply:
    """Send it as it is, and read the answer to its end."""
    async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
        reader, writer = await asyncio.open_connection("localhost", port, ssl=trust)
        writer.write(attack.request)
        answer = await reader.read()
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    is_problem = b"application/problem+json" in head
    return Reply(status, str(json.loads(body)["type"]) if is_problem else "")
