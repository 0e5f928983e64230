"""Positions that say nothing about the log any more: a service stops and asks, and an operator answers.

What it does not know, it must not guess: every start before the answer has to end with advice. The answers
read the log again from where it begins, which may count nothing twice.
"""

import asyncio
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from attendance_demo.deployment import Deployment, Service
from attendance_testing.forgotten_groups import forget_group
from chaos.plan import Harm
from local_stack.running.stack import Stack

ENDS_WITHIN_SECONDS = 60.0
# As a copy of Kafka's disks that is older than the database would have it, and a topic that was made again.
STATEMENTS: Mapping[str, str] = {
    "positions beyond the log": (
        "UPDATE attendance.consumed_position SET next_offset = next_offset + 1000000"
        " WHERE topic LIKE '%matches'"
    ),
    "positions of another topic": (
        "UPDATE attendance.consumed_topic SET topic_id = gen_random_uuid() WHERE topic LIKE '%matches'"
    ),
}


@dataclass(frozen=True, slots=True)
class Question:
    """How a service that cannot go on ends, and the operator's answer."""

    code: int
    words: str
    answer: tuple[str, ...]


QUESTIONS: Mapping[str, Question] = {
    "recognition-worker": Question(2, "go-on-from", ("recognition_worker", "go-on-from", "earliest")),
    "attendance-projector": Question(
        1, "docs/operations/failover.md", ("attendance_projector", "positions", "--accept-loss")
    ),
}


async def lose_positions(harm: Harm, deployment: Deployment, stack: Stack) -> None:
    """Stop a service, lose its positions, see that it asks, and answer. Raises ServiceFailed."""
    service, question = deployment.services[harm.target], QUESTIONS[harm.target]
    await asyncio.to_thread(service.stop)
    await _lose(harm, deployment, stack)
    asking = deployment.start(harm.target, wait=False)
    await asyncio.to_thread(_expect, asking, question)
    await asyncio.sleep(harm.lasts)
    await asyncio.to_thread(deployment.run_command, *question.answer)


async def _lose(harm: Harm, deployment: Deployment, stack: Stack) -> None:
    if harm.how not in STATEMENTS:
        group = f"{deployment.environ['KAFKA_TOPIC_PREFIX']}{harm.target}"
        await forget_group(stack.env.kafka_bootstrap_servers, group)
        return
    name = urlsplit(deployment.environ["DATABASE_URL"]).path
    url = urlsplit(stack.env.postgres_admin_url)._replace(path=name).geturl()
    connection = await asyncpg.connect(url, ssl=False)
    try:
        await connection.execute(STATEMENTS[harm.how])
    finally:
        await connection.close()


def _expect(service: Service, question: Question) -> None:
    try:
        code = service.process.wait(ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        raise service.failed("went on without its positions") from None
    last = service.log.read_text(errors="replace").rstrip().rpartition("\n")[2]
    if code != question.code or question.words not in last:
        raise service.failed(f"ended with {code}, and did not say what it needs")
