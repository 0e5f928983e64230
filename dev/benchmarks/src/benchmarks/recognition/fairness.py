"""Live captures beside a backlog, through one worker process on one core: what does each of them get?

`python -m benchmarks.recognition.fairness --model-cache DIR [--count N]`. A drain first tells what the worker
can do. Then, for each load, live captures come at random instants at that part of it: alone, as the baseline,
and with a backlog that lies there all at once, until it is drained. One line each. The local stack is started
when none runs.
"""

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from attendance_schemas.topics import CAPTURES_BACKLOG
from benchmarks.recognition.scenes import crowd, jpegs, portraits, recognition_parser
from benchmarks.recognition.service_world import Answer, Service
from benchmarks.recognition.worker_stages import BATCH
from benchmarks.turns import machine
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models
from recognition_worker.domain.fair_turns import SHARES, Kind

LOADS = (0.2, 0.9)
DRAINED = 320
LEAST = SHARES[Kind.BACKLOG].least


async def capacity(service: Service) -> float:
    """Return the captures per second that the worker can do, from the end of a drain's first batch on."""
    answers = await service.answers(await asyncio.gather(*[service.send() for _ in range(DRAINED)]))
    seen = sorted(answer.seen for answer in answers)
    return (DRAINED - BATCH) / (seen[-1] - seen[BATCH - 1])


class LiveTraffic:
    """Sends live captures at random instants until it is stopped."""

    def __init__(self, service: Service, per_second: float) -> None:
        self._service = service
        self._per_second = per_second
        self._sending: list[asyncio.Task[UUID]] = []
        self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        instants = random.Random(5)
        due = time.perf_counter()
        while True:
            due += instants.expovariate(self._per_second)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._sending.append(asyncio.create_task(self._service.send()))

    async def stop(self) -> list[Answer]:
        """Send no more; return the answers to all that were sent."""
        self._task.cancel()
        await asyncio.wait({self._task})
        return await self._service.answers(await asyncio.gather(*self._sending))


async def alone(service: Service, per_second: float, seconds: float) -> list[Answer]:
    """Let live captures come without a backlog."""
    live = LiveTraffic(service, per_second)
    await asyncio.sleep(seconds)
    return await live.stop()


async def beside(service: Service, per_second: float, count: int) -> tuple[float, float, list[Answer]]:
    """Let live captures come until a backlog is drained.

    Returns the seconds that it took, the backlog's part of all captures that were decided meanwhile, and the
    answers to live ones.
    """
    live = LiveTraffic(service, per_second)
    begin = time.perf_counter()
    old = await asyncio.gather(*[service.send(CAPTURES_BACKLOG) for _ in range(count)])
    end = max(answer.seen for answer in await service.answers(old))
    answers = await live.stop()
    meanwhile = sum(answer.seen <= end for answer in answers)
    return end - begin, count / (count + meanwhile), answers


async def measure(arguments: argparse.Namespace, files: ModelFiles, stack: Stack) -> AsyncIterator[str]:
    """Yield a line for each load."""
    portrayed = portraits(arguments.faces, files.yunet_file, BATCH, arguments.model_cache)
    prefix = f"b{random.randrange(16**6):06x}."
    service = Service(stack.env, prefix, arguments.model_cache, arguments.core, stack.folder / f"{prefix}log")
    async with service.ready(files.manifest.model, crowd(arguments.people), jpegs(portrayed, BATCH)):
        await capacity(service)
        for load in arguments.loads:
            can = await capacity(service)
            without = await alone(service, load * can, arguments.seconds)
            seconds, share, live = await beside(service, load * can, arguments.count)
            yield (
                f"live at {load:.0%} of {can:.1f}/s: {arguments.count} of the backlog in {seconds:.0f} s, "
                f"{share:.0%} of all captures (goal {LEAST:.0%}); live p50 {_ms(live, 50)}, "
                f"p99 {_ms(live, 99)} (alone {_ms(without, 50)}, {_ms(without, 99)})"
            )


def _ms(answers: Sequence[Answer], percentile: int) -> str:
    taken = [answer.seen - answer.sent for answer in answers]
    return f"{statistics.quantiles(taken, n=100)[percentile - 1] * 1000:.0f} ms"


async def show(arguments: argparse.Namespace, files: ModelFiles, stack: Stack) -> None:
    """Print each line as soon as it is known."""
    async for line in measure(arguments, files, stack):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def main() -> int:
    """Parse the command line and print the report."""
    parser = recognition_parser(__doc__)
    parser.add_argument("--count", type=int, default=5_000, help="captures of the backlog (default 5,000)")
    parser.add_argument("--loads", type=float, nargs="+", default=LOADS, help="live, of what the worker can")
    parser.add_argument("--seconds", type=float, default=20.0, help="of live captures alone (default 20)")
    parser.add_argument("--core", type=int, default=0, help="the worker's core (default 0)")
    arguments = parser.parse_args()
    sys.stdout.write(machine() + "\n")
    files = prepare_models(arguments.model_cache)
    stack = Stack(stack_folder(name="bench"), cache_folder())
    with leased(stack, keep=False):
        asyncio.run(show(arguments, files, stack))
    return 0


if __name__ == "__main__":
    sys.exit(main())
