"""Whether an archive is whole: every offset from the first on exactly once, each file as it was put there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service_kit.archive.container import read_container
from service_kit.archive.manifest import Contents, Series, manifest_of, unexplained
from service_kit.archive.store import Archive, Listed
from service_kit.errors import ArchiveBroken, ObjectNotFound

# So many offsets are named; the rest is counted.
_NAMED = 3


@dataclass(slots=True)
class Verdict:
    """What was found of a series.

    missing: offsets that it should have and has not. duplicate: offsets that it has more than once. lost:
    offsets that expired before they were archived, as its files say. problems: in words, with names of files.
    """

    listed: Listed
    files: int = 0
    records: int = 0
    first_offset: int | None = None
    next_offset: int = 0
    missing: int = 0
    duplicate: int = 0
    lost: int = 0
    is_complete: bool = True
    problems: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is wrong; what was lost before it could be archived is told apart."""
        return not (self.missing or self.duplicate or self.problems)


async def verify_series(archive: Archive, listed: Listed) -> Verdict:
    """Read every file of a series, and compare it with its manifest and with its neighbours.

    Raises:
        TransientFailure: the store is away.
    """
    series = Series(
        topic=listed.topic,
        topic_id=listed.topic_id,
        cluster_id="",  # names do not tell it
        partition=listed.partition,
        snapshot_end=listed.snapshot_end,
    )
    verdict = Verdict(listed)
    is_last = False
    for first in sorted({*listed.data, *listed.manifests}):
        contents = await _verify_file(archive, series, first, verdict)
        if verdict.first_offset is None:
            verdict.first_offset = first
            verdict.next_offset = first
        if first > verdict.next_offset:
            verdict.missing += first - verdict.next_offset
            verdict.problems.append(
                f"{series.data_name(verdict.next_offset)} is missing: offsets up to {first - 1}"
            )
        elif first < verdict.next_offset:
            verdict.duplicate += verdict.next_offset - first
            verdict.problems.append(f"{series.data_name(first)} begins before {verdict.next_offset}")
        if contents is not None:
            verdict.next_offset = max(verdict.next_offset, contents.next_offset)
            is_last = contents.is_last
    verdict.is_complete = is_last or listed.snapshot_end is None
    return verdict


async def _verify_file(archive: Archive, series: Series, first: int, verdict: Verdict) -> Contents | None:
    """Return what a file holds, or what its manifest says when it is gone; None: nobody knows."""
    name = series.data_name(first)
    try:
        manifest = await archive.stored_manifest(series, first)
    except ObjectNotFound:
        manifest = None
        if first != verdict.listed.data[-1]:  # the last one's may be on its way
            verdict.problems.append(f"{series.manifest_name(first)} is missing")
    except ArchiveBroken as error:
        manifest = None
        verdict.problems.append(str(error))
    try:
        data = await archive.data(series, first)
        contents, records = await asyncio.to_thread(read_container, name, data)
    except ArchiveBroken as error:
        verdict.problems.append(str(error))
        if manifest is None:
            return None
        verdict.missing += manifest.contents.count
        return manifest.contents
    verdict.files += 1
    verdict.records += len(records)
    verdict.lost += contents.lost
    if manifest is not None and manifest != manifest_of(contents, data):
        verdict.problems.append(f"{name} is not what its manifest says")
    if (contents.first_offset, contents.count) != (first, len(records)):
        verdict.problems.append(f"{name} has {len(records)} records, and its header says otherwise")
    place = contents.series
    if (place.topic, place.topic_id, place.partition, place.snapshot_end) != (
        series.topic,
        series.topic_id,
        series.partition,
        series.snapshot_end,
    ):
        verdict.problems.append(f"{name} is a file of another topic or partition")
    offsets = [each.offset for each in records]
    duplicate = len(offsets) - len(set(offsets))
    verdict.duplicate += duplicate
    if wrong := unexplained(contents, offsets):
        verdict.missing += len(set(wrong) - set(offsets))
        told = ", ".join(map(str, wrong[:_NAMED])) + (", …" if len(wrong) > _NAMED else "")
        verdict.problems.append(f"{name} does not have these offsets exactly once: {told}")
    return contents
