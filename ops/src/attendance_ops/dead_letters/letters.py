"""Every dead letter with what became of it: waiting, redriven, or discarded with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from attendance_ops.dead_letters.rules import Rule, rule_of
from attendance_ops.errors import WrongSelection
from attendance_ops.log.reading import Progress
from attendance_ops.log.seen import Seen
from attendance_ops.log.selection import Selection
from attendance_ops.operations import Operations, Place
from attendance_schemas.events import DeadLetterSettled
from attendance_schemas.topics import DEAD_LETTER_SUFFIX, TOPICS, dead_letter_topics


class State(StrEnum):
    """What became of a dead letter."""

    WAITING = "waiting"
    REDRIVEN = "redriven"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, and the last decision about it."""

    seen: Seen
    settled: DeadLetterSettled | None = None

    @property
    def place(self) -> Place:
        """Return where it lies."""
        return place_of(self.seen)

    @property
    def state(self) -> State:
        """Return what became of it."""
        return State.WAITING if self.settled is None else State(self.settled.settlement.value.lower())

    @property
    def rule(self) -> Rule:
        """Return what is wrong with it."""
        return rule_of(self.seen.origin)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "place": str(self.place),
            "state": self.state.value,
            "label": self.rule.label,
            "advice": self.rule.advice,
            "settled_by": self.settled and self.settled.recorded_by,
            "settled_because": self.settled and self.settled.reason,
            **self.seen.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Dead letters by what they are; `topics` without the suffix, none: all."""

    topics: tuple[str, ...] = ()
    label: str | None = None
    states: tuple[State, ...] = (State.WAITING,)
    places: frozenset[Place] = frozenset()
    selection: dict[str, Any] = field(default_factory=dict)

    def selections(self) -> list[Selection]:
        """Return a selection for each topic of dead letters that is meant."""
        places = {place.topic for place in self.places}
        return [
            Selection(dead.name, **self.selection)
            for dead in dead_letter_topics()
            if (not self.topics or dead.name.removesuffix(DEAD_LETTER_SUFFIX) in self.topics)
            and (not places or dead.name in places)
        ]

    def takes(self, letter: Letter) -> bool:
        """Tell whether a letter of those topics is meant."""
        return (
            letter.state in self.states
            and (self.label is None or letter.rule.label == self.label)
            and (not self.places or letter.place in self.places)
        )


@dataclass(slots=True)
class Group:
    """Letters of one topic that have the same thing wrong."""

    topic: str
    rule: Rule
    counts: dict[State, int] = field(default_factory=lambda: defaultdict(int))
    oldest: datetime | None = None
    newest: datetime | None = None
    recent: int = 0

    def add(self, letter: Letter, recent_since: datetime) -> None:
        """Count a letter."""
        self.counts[letter.state] += 1
        at = letter.seen.record.timestamp
        if letter.state is State.WAITING:
            self.oldest = min(filter(None, (self.oldest, at)))
            self.newest = max(filter(None, (self.newest, at)))
            self.recent += at >= recent_since

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "topic": self.topic,
            "label": self.rule.label,
            **{state.value: self.counts[state] for state in State},
            "in_the_last_hour": self.recent,
            "oldest_at": self.oldest,
            "newest_at": self.newest,
            "advice": self.rule.advice,
        }


async def letters(
    operations: Operations, which: Which, progress: Progress = lambda _count: None
) -> AsyncGenerator[Letter, None]:
    """Yield the dead letters that are meant, topic by topic, each from its oldest on.

    Raises:
        TransientFailure: Kafka is away.
    """
    settled = await operations.settlements()
    for selection in which.selections():
        async with aclosing(operations.log.read(selection, progress=progress)) as reading:
            async for seen in reading:
                letter = Letter(seen, settled.get(place_of(seen)))
                if which.takes(letter):
                    yield letter


RECENT = timedelta(hours=1)


async def groups(
    operations: Operations, which: Which, now: datetime, progress: Progress = lambda _count: None
) -> list[Group]:
    """Return the letters that are meant by topic and what is wrong, those with the most waiting first."""
    found: dict[tuple[str, str], Group] = {}
    async for letter in letters(operations, which, progress):
        topic = letter.seen.topic.removesuffix(DEAD_LETTER_SUFFIX)
        group = found.setdefault((topic, letter.rule.label), Group(topic, letter.rule))
        group.add(letter, now - RECENT)
    return sorted(found.values(), key=lambda each: (-each.counts[State.WAITING], each.topic, each.rule.label))


def place_of(seen: Seen) -> Place:
    """Return where a record lies."""
    return Place(seen.topic, seen.record.partition, seen.record.offset)


def places_of(texts: Iterable[str]) -> frozenset[Place]:
    """Read places as `list` and `show` print them: attendance.captures.dlq:1:41. Raises WrongSelection."""
    return frozenset(map(_place, texts))


def _place(text: str) -> Place:
    topic = text.partition(":")[0]
    if topic.removesuffix(DEAD_LETTER_SUFFIX) not in TOPICS or not topic.endswith(DEAD_LETTER_SUFFIX):
        raise WrongSelection(f"{text!r} is no dead letter; copy its place from `dlq show`")
    if (place := Place.of(text)) is None:
        raise WrongSelection(f"{text!r} is no place; write TOPIC.dlq:PARTITION:OFFSET")
    return place
