"""Share the work of a rebuild among processes, and hear from them."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence

import msgspec

from attendance_projector.errors import RebuildRefused
from attendance_projector.rebuild.worker import Compute, Load, Progressed
from service_kit.kafka.records import TopicPartition

COMMAND = (sys.executable, "-m", "attendance_projector", "rebuild-worker")
Hear = Callable[[Progressed], None]


def share_partitions(
    positions: Mapping[TopicPartition, int], targets: Mapping[TopicPartition, int], workers: int
) -> list[Load]:
    """Share partitions out so that each process has about as many records to read."""
    shares: list[list[tuple[str, int, int]]] = [[] for _ in range(workers)]
    sizes = [0] * workers
    left = {each: target - positions.get(each, 0) for each, target in targets.items()}
    for each in sorted(left, key=lambda partition: (-left[partition], partition)):
        smallest = sizes.index(min(sizes))
        shares[smallest].append((each.topic, each.partition, targets[each]))
        sizes[smallest] += left[each]
    return [Load(share) for share in shares if share]


def share_buckets(count: int, workers: int) -> list[Compute]:
    """Share buckets of people out; no person is in two."""
    shares = [list(range(first, count, workers)) for first in range(workers)]
    return [Compute(share, count) for share in shares if share]


async def run_together(tasks: Sequence[Load | Compute], hear: Hear) -> None:
    """Run a process for each task. Raises RebuildRefused when one fails; the others are stopped then."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(_run(task, hear))
    except* RebuildRefused as failed:
        raise failed.exceptions[0] from None


async def _run(task: Load | Compute, hear: Hear) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RebuildRefused("a process of the rebuild was started without pipes")
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        async for line in process.stdout:
            hear(msgspec.json.decode(line, type=Progressed))
        if code := await process.wait():
            raise RebuildRefused(
                f"a process of the rebuild ended with {code}; see its log, then run it again"
            )
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
