"""What is archived, for people and for scripts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from attendance_ops.archive.rounds import newest_of, places_of
from attendance_ops.console import say, say_json, table
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
from service_kit.archive.verify import Verdict
from service_kit.archive.writer import end_of
from service_kit.errors import LogLost
from service_kit.settings import KafkaSettings

# So many sentences are shown; --json has all.
MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class Listing:
    """The archive of one partition. topic: without prefix. behind: offsets that are not archived."""

    topic: str
    topic_id: str
    partition: int
    kind: str
    files: int
    first_offset: int | None
    next_offset: int
    log_end: int

    @property
    def behind(self) -> int:
        """Return how many offsets are not archived yet."""
        return max(0, self.log_end - self.next_offset)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {**asdict(self), "behind": self.behind}


async def listings(kafka: KafkaSettings, archive: Archive, topics: Sequence[str]) -> list[Listing]:
    """Return what is archived of the topics that are there now; of all without a name.

    Raises:
        TransientFailure: Kafka or the store is away.
    """
    wanted = {kafka.topic(each) for each in topics}
    found = []
    for place in await places_of(kafka):
        series = place.series
        if wanted and series.topic not in wanted:
            continue
        if place.is_compacted:
            snapshots = await archive.snapshots(series)
            count, first = len(snapshots), None
            reached, _ = await newest_of(archive, snapshots)
        else:
            firsts = await archive.firsts(series)
            count, first = len(firsts), firsts[0] if firsts else None
            reached = await _reached(archive, series, place.end)
        found.append(
            Listing(
                topic=series.topic.removeprefix(kafka.topic_prefix),
                topic_id=str(series.topic_id),
                partition=series.partition,
                kind="snapshots" if place.is_compacted else "records",
                files=count,
                first_offset=first,
                next_offset=reached,
                log_end=place.end,
            )
        )
    return found


async def _reached(archive: Archive, series: Series, log_end: int) -> int:
    try:
        return (await end_of(archive, series, log_end)).next_offset
    except LogLost:
        last = await archive.last(series, log_end)
        return 0 if last is None else last.contents.next_offset


def show_listings(found: Sequence[Listing]) -> None:
    """Print one line a topic."""
    topics: defaultdict[tuple[str, str], list[Listing]] = defaultdict(list)
    for each in found:
        topics[each.topic, each.kind].append(each)
    table(
        "Archive (normal: behind for 5 minutes at most, snapshots for an hour)",
        ("topic", "kind", "files", "offsets", "behind"),
        [
            (
                topic,
                kind,
                f"{sum(each.files for each in ours):,}",
                f"{sum(each.next_offset - (each.first_offset or 0) for each in ours):,}",
                f"{sum(each.behind for each in ours):,}",
            )
            for (topic, kind), ours in topics.items()
        ],
        right="files offsets behind",
    )


def show_verdicts(verdicts: Sequence[Verdict], *, accept_lost: bool, as_json: bool) -> bool:
    """Print what was found; tell whether the archive is whole.

    accept_lost: what is recorded as lost does not count.
    """
    lost = sum(each.lost for each in verdicts)
    is_whole = all(each.is_whole for each in verdicts) and (accept_lost or not lost)
    totals = {
        "files": sum(each.files for each in verdicts),
        "records": sum(each.records for each in verdicts),
        "missing": sum(each.missing for each in verdicts),
        "duplicate": sum(each.duplicate for each in verdicts),
        "lost": lost,
    }
    if as_json:
        say_json({**totals, "is_whole": is_whole, "series": [_as_json(each) for each in verdicts]})
        return is_whole
    problems = [problem for each in verdicts for problem in each.problems]
    for problem in problems[:MOST_PROBLEMS]:
        say(problem)
    if len(problems) > MOST_PROBLEMS:
        say(f"and {len(problems) - MOST_PROBLEMS:,} more; --json has all")
    for each in verdicts:
        if each.lost:
            place = f"{each.listed.topic}[{each.listed.partition}]"
            say(f"{place}: {each.lost:,} records expired before they were archived")
    incomplete = sum(not each.is_complete for each in verdicts)
    if incomplete:
        say(f"{incomplete:,} snapshots are not complete: the next round ends them, or makes a newer one")
    say(
        f"{'whole' if is_whole else 'not whole'}: "
        + " ".join(f"{name}={count}" for name, count in totals.items())
    )
    return is_whole


def _as_json(verdict: Verdict) -> dict[str, Any]:
    listed = verdict.listed
    return {
        "topic": listed.topic,
        "topic_id": str(listed.topic_id),
        "partition": listed.partition,
        "snapshot_end": listed.snapshot_end,
        "is_complete": verdict.is_complete,
        "files": verdict.files,
        "records": verdict.records,
        "first_offset": verdict.first_offset,
        "next_offset": verdict.next_offset,
        "missing": verdict.missing,
        "duplicate": verdict.duplicate,
        "lost": verdict.lost,
        "problems": verdict.problems,
    }
