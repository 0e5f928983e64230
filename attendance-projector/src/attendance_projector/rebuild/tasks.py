"""What the processes of a rebuild are told to do, what they tell of it, and how the work is shared out."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

import msgspec

from service_kit.kafka.records import TopicPartition


class Load(msgspec.Struct, frozen=True, tag_field="step", tag="load"):
    """Read these partitions up to their targets: topic, partition, next offset."""

    targets: list[tuple[str, int, int]]


class Compute(msgspec.Struct, frozen=True, tag_field="step", tag="compute"):
    """Compute these of so many buckets of people."""

    buckets: list[int]
    count: int


class Progressed(msgspec.Struct, frozen=True):
    """Records or buckets done since the last word; at the end also what was passed over, and the memory."""

    done: int
    days: int = 0
    passed_over: int = 0
    peak_memory_mb: int = 0
    kind: Literal["progressed", "finished"] = "progressed"


Hear = Callable[[Progressed], None]
# Runs a process for each task. Raises RebuildRefused when one fails; the others are stopped then.
RunTogether = Callable[[Sequence[Load | Compute], Hear], Awaitable[None]]


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
