"""`python -m chaos [--rounds N] [--seed N] [--failover]`: rounds of harm under load.

Exit code 1 unless all was kept. With `--failover` the harm is that PostgreSQL's primary is killed and an
asynchronous standby, which may lack its newest transactions, takes its place.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from chaos.plan import failovers, rounds
from chaos.run import Plan, Report, run_rounds
from chaos.scene import open_scene
from local_stack.running.lease import leased
from local_stack.running.stack import Stack
from local_stack.settings import cache_folder, stack_folder


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _run(stack: Stack, folder: Path, seed: int, count: int, plan: Plan) -> Report:
    async with open_scene(stack, folder, seed) as scene:
        return await run_rounds(scene, seed, count, _say, plan)


def main() -> int:
    """Run, print each round and the sum, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="repeats the harm of an earlier run")
    parser.add_argument("--failover", action="store_true", help="fail PostgreSQL over in every round")
    parser.add_argument("--dir", type=Path, default=None, help="where logs and the journal go")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    folder = options.dir or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"seed {seed}, {options.rounds} rounds; logs and journal in {folder}")
    stack = Stack(stack_folder(name="chaos"), cache_folder())
    with leased(stack, keep=False):
        plan = failovers if options.failover else rounds
        report = asyncio.run(_run(stack, folder, seed, options.rounds, plan))
    for text in report.ended:
        _say(f"ended by itself: {text}")
    for finding in report.rounds[-1].verdict["findings"]:
        _say(f"{finding['kind']} {finding['id']}: {finding['text']}")
    last = report.rounds[-1].verdict
    figures = " ".join(f"{name}={last[name]}" for name in last if name not in {"findings", "seconds"})
    longest = max(each.settled_seconds for each in report.rounds)
    outcome = "ok" if report.is_well else "FAILED"
    lacked = f"lagged_rounds={sum(map(bool, report.lacked))} lacked_records={sum(report.lacked)} "
    _say(
        f"{'failover' if options.failover else 'chaos'} {outcome}: seed={seed} rounds={len(report.rounds)} "
        f"{lacked if options.failover else ''}{figures} tries={report.tries} "
        f"ended_by_themselves={len(report.ended)} longest_settling_s={longest:.1f}"
    )
    return 0 if report.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
