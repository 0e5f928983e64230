"""One worker process on one core, through real Kafka and S3, beside its own pipeline in the same run.

`python -m benchmarks.recognition.service --model-cache DIR [--faces DIR]`. A backlog is drained and the bare
pipeline runs on the same core, by turns. Then captures come at half of the drain's rate, at random instants,
and each is timed from before it is produced until its match is read from Kafka. The local stack is started
when none runs.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from benchmarks.recognition.scenes import crowd, encode, jpegs, portraits, recognition_parser
from benchmarks.recognition.service_world import Answer, Service
from benchmarks.recognition.worker_stages import BATCH, pipeline_and_stages
from benchmarks.turns import Contest, Entrant, Spent, machine, per_second, processor, ratio, wall
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models

MS = 1000.0
MODEL_STAGES = ("decode", "detect", "align", "quality", "embed", "search")
LEAST_SHARE = 0.85
MOST_ABOVE_MS = 30.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found. Rates in images per second; `processor` counts the core's time of that process only."""

    start_seconds: float
    resident_mb: float
    drain: float
    pipeline: float
    share: float
    drain_processor: float
    pipeline_processor: float
    share_processor: float
    sent_per_second: float
    end_to_end_p50_ms: float
    end_to_end_p95_ms: float
    above_model_p50_ms: float
    above_model_p95_ms: float
    fetch_p50_ms: float
    queue_p50_ms: float


async def drain(service: Service, count: int) -> Spent:
    """Send captures at once; return what each took the worker, from the end of its first batch on."""
    begin = service.processor_seconds()
    captures = await asyncio.gather(*[service.send() for _ in range(count)])
    answers = await service.answers(captures)
    seen = sorted(answer.seen for answer in answers)
    steady = (seen[-1] - seen[BATCH - 1]) / (count - BATCH)
    return Spent((service.processor_seconds() - begin) / count, steady)


async def half_load(service: Service, per_second_sent: float, count: int) -> list[Answer]:
    """Send captures at random instants; return their answers."""
    instants = random.Random(5)
    sending = []
    for _ in range(count):
        sending.append(asyncio.create_task(service.send()))
        await asyncio.sleep(instants.expovariate(per_second_sent))
    return await service.answers(await asyncio.gather(*sending))


async def measure(arguments: argparse.Namespace, files: ModelFiles, stack: Stack) -> Measured:
    """Run the drains and the pipeline by turns, then the half load."""
    portrayed = portraits(arguments.faces, files.yunet_file, BATCH, arguments.model_cache)
    images, gallery = jpegs(portrayed, BATCH), crowd(arguments.people)
    enrolled = [encode(person.pixels) for person in portrayed]
    entrant = Entrant("pipeline", pipeline_and_stages, (arguments.model_cache, images, gallery, enrolled, 4))
    prefix = f"b{random.randrange(16**6):06x}."
    service = Service(stack.env, prefix, arguments.model_cache, arguments.core, stack.folder / f"{prefix}log")
    drained: list[Spent] = []
    bare: list[Spent] = []
    with Contest([entrant], arguments.core) as contest:
        async with service.ready(files.manifest.model, gallery, images):
            await drain(service, 2 * BATCH)
            for _ in range(arguments.rounds):
                drained.append(await drain(service, arguments.captures))
                found = await asyncio.to_thread(contest.ask, "pipeline")
                bare.append(found["pipeline"])
            rate = per_second(wall(drained))
            answers = await half_load(service, rate / 2, arguments.captures)
            resident = service.resident_mb()
    whole = [(answer.seen - answer.sent) * MS for answer in answers]
    above = [
        time - sum(answer.timings_ms.get(stage, 0.0) for stage in MODEL_STAGES)
        for time, answer in zip(whole, answers, strict=True)
    ]
    return Measured(
        start_seconds=service.start_seconds,
        resident_mb=resident,
        drain=rate,
        pipeline=per_second(wall(bare)),
        share=ratio(wall(bare), wall(drained)),
        drain_processor=per_second(processor(drained)),
        pipeline_processor=per_second(processor(bare)),
        share_processor=ratio(processor(bare), processor(drained)),
        sent_per_second=rate / 2,
        end_to_end_p50_ms=statistics.median(whole),
        end_to_end_p95_ms=_p95(whole),
        above_model_p50_ms=statistics.median(above),
        above_model_p95_ms=_p95(above),
        fetch_p50_ms=statistics.median(answer.timings_ms["fetch"] for answer in answers),
        queue_p50_ms=statistics.median(answer.timings_ms["queue"] for answer in answers),
    )


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def report(found: Measured) -> Iterator[str]:
    """Render the figures as tables."""
    yield "| | the service, through Kafka and S3 | the pipeline alone | share | goal |"
    yield "|---|---|---|---|---|"
    yield (
        f"| images per second by the wall clock | {found.drain:.1f} | {found.pipeline:.1f} | "
        f"{found.share:.2f} | {LEAST_SHARE} |"
    )
    yield (
        f"| images per second of the processor | {found.drain_processor:.1f} | "
        f"{found.pipeline_processor:.1f} | {found.share_processor:.2f} | {LEAST_SHARE} |"
    )
    yield ""
    yield f"| at half load, {found.sent_per_second:.1f} captures/s | p50 ms | p95 ms | goal for p50 |"
    yield "|---|---|---|---|"
    yield (
        f"| from the capture's record to its match | {found.end_to_end_p50_ms:.1f} | "
        f"{found.end_to_end_p95_ms:.1f} | |"
    )
    yield (
        f"| the same, less the time of the model and its stages | {found.above_model_p50_ms:.1f} | "
        f"{found.above_model_p95_ms:.1f} | {MOST_ABOVE_MS:g} |"
    )
    yield f"| of that, fetching the image | {found.fetch_p50_ms:.1f} | | |"
    yield f"| of that, waiting for the core | {found.queue_p50_ms:.1f} | | |"
    yield ""
    yield f"Ready {found.start_seconds:.1f} s after its start; {found.resident_mb:.0f} MB resident."


def main() -> int:
    """Parse the command line and print the report."""
    parser = recognition_parser(__doc__)
    parser.add_argument("--captures", type=int, default=320, help="captures of a backlog (default 320)")
    parser.add_argument("--rounds", type=int, default=5, help="backlogs (default 5)")
    parser.add_argument("--core", type=int, default=0, help="the worker's core (default 0)")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    arguments = parser.parse_args()
    described, files = machine(), prepare_models(arguments.model_cache)
    stack = Stack(stack_folder(name="bench"), cache_folder())
    with leased(stack, keep=False):
        found = asyncio.run(measure(arguments, files, stack))
    if arguments.json:
        sys.stdout.write(json.dumps({"machine": described, **asdict(found)}, indent=2) + "\n")
        return 0
    head = f"{described}; medians of {arguments.rounds} backlogs of {arguments.captures}\n"
    sys.stdout.write("\n".join([head, *report(found)]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
