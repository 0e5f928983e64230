"""Which records are meant: of a topic by place and time, and among them by what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from attendance_ops.errors import WrongSelection
from attendance_ops.log.seen import Seen
from attendance_schemas.apply import all_topics

# What people call the fields that they ask for most.
SHORT = {
    "org": "org_id",
    "device": "device_id",
    "site": "site_id",
    "person": "person_id",
    "capture": "capture_id",
    "punch": "punch_id",
    "event": "event_id",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Records of one topic (without prefix). Times are the broker's, `until` exclusive.

    offsets: partition to first and last offset, inclusive. where: field to the text that it must have, of
    what may be seen. event: name. reason: of a dead letter.
    """

    topic: str
    since: datetime | None = None
    until: datetime | None = None
    partition: int | None = None
    offsets: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    key: str | None = None
    event: str | None = None
    reason: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_topic(self.topic)
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise WrongSelection(
                f"--from {self.since.isoformat()} is not before --to {self.until.isoformat()}"
            )

    @property
    def takes_all(self) -> bool:
        """Tell whether place and time alone select."""
        return not (self.key or self.event or self.reason or self.where or self.headers)

    def takes(self, seen: Seen) -> bool:
        """Tell whether a record within place and time is meant; a masked value equals nothing."""
        return (
            (self.key is None or seen.key == self.key)
            and (self.event is None or seen.event == self.event)
            and (self.reason is None or (seen.origin is not None and seen.origin.reason == self.reason))
            and all(text in seen.value_at(path) for path, text in self.where.items())
            and all(seen.headers.get(name) == text for name, text in self.headers.items())
        )


def check_topic(topic: str) -> str:
    """Return the name of a topic of the contract; WrongSelection otherwise."""
    names = {each.name for each in all_topics()}
    full = topic if topic.startswith("attendance.") else f"attendance.{topic}"
    if full not in names:
        raise WrongSelection(f"there is no topic {topic}; there are {', '.join(sorted(names))}")
    return full


def is_of_contract(topic: str) -> bool:
    """Tell whether a name without prefix is one that the contract has, or may get."""
    return topic.startswith("attendance.")


def where_of(texts: list[str]) -> dict[str, str]:
    """Read conditions such as `device=gate-1` or `image.sha256=…`; short names stand for fields."""
    return {SHORT.get(name, name): value for name, value in pairs_of(texts).items()}


def pairs_of(texts: list[str]) -> dict[str, str]:
    """Read conditions of a name and a value. Raises WrongSelection."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (sign and name and value):
            raise WrongSelection(f"{text!r} is no condition; write FIELD=VALUE, such as device_id=gate-1")
        found[name] = value
    return found


def offsets_of(texts: list[str]) -> dict[int, tuple[int, int]]:
    """Read places such as `3:120` or `3:120-180` (partition, offsets, both inclusive)."""
    found: dict[int, tuple[int, int]] = {}
    for text in texts:
        partition, _, offsets = text.partition(":")
        first, _, last = offsets.partition("-")
        try:
            place = int(partition), int(first), int(last or first)
        except ValueError:
            raise WrongSelection(f"{text!r} is no place; write PARTITION:OFFSET, or 3:120-180") from None
        if place[0] in found or place[1] > place[2] or min(place) < 0:
            raise WrongSelection(f"{text!r}: one range a partition, from the lower offset to the higher")
        found[place[0]] = place[1:]
    return found
