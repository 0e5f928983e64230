"""Images per second from JPEG to decision on one core, beside DeepFace and the bare libraries, in one run.

`python -m benchmarks.recognition.pipeline --model-cache DIR [--faces DIR]`. The images are 1280 x 720; people
are searched among 10,000. DeepFace's two calls and the worker with its bare stages are processes on
the same core and take turns.
"""

import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.recognition.deepface_baselines import (
    FIND,
    FIND_FASTEST,
    REPRESENT,
    find_in_gallery,
    represent_loop,
)
from benchmarks.recognition.scenes import crowd, encode, jpegs, portraits, recognition_parser
from benchmarks.recognition.worker_stages import BATCH, STAGES, pipeline_and_stages
from benchmarks.turns import Contest, Entrant, Spent, machine, per_second, processor, ratio, wall
from recognition_worker.adapters.models.packaged_models import prepare_models

MS = 1000.0


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure should reach. A goal in images per second is for a core with bfloat16.

    found: by processor time. wall: by the wall clock, which counts what else the machine does.
    """

    what: str
    found: float
    wall: float
    goal: float

    @property
    def verdict(self) -> str:
        """Say whether it is reached."""
        return "reached" if self.found >= self.goal else "missed"


def measure(
    cache: Path, faces: Path | None, people: int, rounds: int, core: int
) -> tuple[dict[str, list[Spent]], dict[str, float]]:
    """Take the turns; return what each figure took, turn by turn, and facts about the images."""
    portrayed = portraits(faces, prepare_models(cache).yunet_file, BATCH, cache)
    images, gallery = jpegs(portrayed, BATCH), crowd(people)
    enrolled = [encode(person.pixels) for person in portrayed]
    with tempfile.TemporaryDirectory(prefix="recognition-pipeline-") as name:
        folder = Path(name)
        files = [folder / f"{number}.jpg" for number in range(len(images))]
        for file, image in zip(files, images, strict=True):
            file.write_bytes(image)
        entrants = [
            Entrant("worker", pipeline_and_stages, (cache, images, gallery, enrolled, 4)),
            Entrant("represent", represent_loop, (cache, files, len(files))),
            Entrant("find", find_in_gallery, (cache, files, folder / "gallery", gallery)),
        ]
        with Contest(entrants, core) as contest:
            taken = contest.turns([entrant.name for entrant in entrants], rounds)
    about = {"people": people, "jpeg_kb": statistics.mean(len(image) for image in images) / 1024}
    return taken, about


def goals(taken: Mapping[str, Sequence[Spent]]) -> list[Goal]:
    """Compare what was found with the goals."""
    pipeline = taken["pipeline"]
    beside = [
        ("pipeline / DeepFace.represent loop", "represent", 6.0),
        ("pipeline / DeepFace.find", "find", 100.0),
        ("pipeline / bare stages", "stages", 0.85),
    ]
    rate = per_second(processor(pipeline)), per_second(wall(pipeline))
    return [
        *(Goal(what, *_ratios(taken[figure], pipeline), goal) for what, figure, goal in beside),
        Goal("pipeline, images per second", *rate, 100.0),
    ]


def _ratios(slow: Sequence[Spent], fast: Sequence[Spent]) -> tuple[float, float]:
    return ratio(processor(slow), processor(fast)), ratio(wall(slow), wall(fast))


def report(taken: Mapping[str, Sequence[Spent]]) -> Iterator[str]:
    """Render the figures and the goals as tables."""
    names = {
        "represent": "`DeepFace.represent` loop",
        "find": "`DeepFace.find`",
        "find_fastest": "`DeepFace.find`, its fastest options",
        "pipeline": "this worker's pipeline, decode to decision",
        "stages": "sum of the bare stages",
        "embed": "bare model alone, batches of 16",
    }
    yield "| | images per second of the processor | by the wall clock | pipeline is faster by | by the wall |"
    yield "|---|---|---|---|---|"
    for figure, name in names.items():
        own = taken[figure]
        times, times_wall = _ratios(own, taken["pipeline"])
        yield (
            f"| {name} | {per_second(processor(own)):.1f} | {per_second(wall(own)):.1f} | {times:.2f} | "
            f"{times_wall:.2f} |"
        )
    stages = ", ".join(f"{name} {statistics.median(processor(taken[name])) * MS:.2f}" for name in STAGES)
    yield f"\nBare stages, ms of the processor: {stages}\n"
    yield "| | found | by the wall | goal | |"
    yield "|---|---|---|---|---|"
    for goal in goals(taken):
        yield f"| {goal.what} | {goal.found:.2f} | {goal.wall:.2f} | {goal.goal:g} | {goal.verdict} |"


def main() -> int:
    """Parse the command line and print the report."""
    parser = recognition_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="turns (default 9)")
    parser.add_argument("--core", type=int, default=0, help="the core for all of them (default 0)")
    parser.add_argument("--json", action="store_true", help="print figures instead of tables")
    arguments = parser.parse_args()
    described = machine()
    taken, about = measure(
        arguments.model_cache, arguments.faces, arguments.people, arguments.rounds, arguments.core
    )
    if arguments.json:
        found = {
            "machine": described,
            **about,
            "images_per_processor_second": {key: per_second(processor(own)) for key, own in taken.items()},
            "images_per_second": {key: per_second(wall(own)) for key, own in taken.items()},
            "goals": [asdict(goal) for goal in goals(taken)],
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return 0
    lines = [
        f"{described}; one core, median of {arguments.rounds} turns; JPEGs of {about['jpeg_kb']:.0f} KB, "
        f"{about['people']:.0f} people\n",
        *report(taken),
        f"\nrepresent: {REPRESENT}\nfind: {FIND}\nits fastest: {FIND_FASTEST}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
