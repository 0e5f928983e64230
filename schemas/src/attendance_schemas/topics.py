"""The topics of the contract, read from `schemas/topics/*.yaml`: each is a reviewed file.

A file is named like its topic, without `attendance.`; `every-topic.yaml` has what all need. A topic knows its
events and the key of each; who publishes asks it for the key, so that what must stay in order stays in one
partition.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, cast

import yaml

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import Event

DEAD_LETTER_SUFFIX = ".dlq"
FOREVER = "-1"
MILLISECONDS = {"day": 86_400_000, "hour": 3_600_000}
BACKWARD_TRANSITIVE, FULL_TRANSITIVE = "BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file, with what every topic needs.

    events: the name of an event and the format of its key. settings: of the broker, by its names and as it
    writes them. compatibility: what a new schema must be to earlier ones.
    """

    name: str
    description: str
    owner: str
    replicas: int
    partitions: int
    settings: Mapping[str, str]
    events: Mapping[str, str]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    dead_letters: bool
    compatibility: str = BACKWARD_TRANSITIVE

    @property
    def is_compacted(self) -> bool:
        """Tell whether only the last record of a key is kept."""
        return "compact" in self.settings["cleanup.policy"]

    @property
    def kept(self) -> str:
        """Say how long records are kept."""
        retention = self.settings.get("retention.ms")
        if self.is_compacted:
            return "compacted"
        if retention in {None, FOREVER}:
            return "kept for ever"
        return f"kept {int(retention) // MILLISECONDS['day']} days"

    def key_of(self, event: Event) -> bytes:
        """Return the record key of an event of this topic, UTF-8."""
        name = type(event).__name__
        if name not in self.events:
            raise SchemaError(f"{name} is not an event of {self.name}; see its topic file")
        return self.events[name].format_map(_FieldsOf(event)).encode()

    def fields_of(self, key: bytes) -> tuple[str, dict[str, str]] | None:
        """Return the event and the fields that a record key names, as text; None when no event has such keys.

        What a tombstone is about, since it has nothing else. Ids have no colon.
        """
        text = key.decode("utf-8", "replace")
        for name, form in self.events.items():
            if (match := _keys_of(form).fullmatch(text)) is not None:
                return name, match.groupdict()
        return None

    def dead_letter_topic(self) -> "Topic | None":
        """Return the topic of this topic's dead letters, or None when it has none."""
        if not self.dead_letters:
            return None
        every = _every_topic()
        return Topic(
            name=self.name + DEAD_LETTER_SUFFIX,
            description=f"Records of {self.name} that can never work, unchanged, with the reason in headers.",
            owner=self.owner,
            replicas=every["replicas"],
            partitions=every["dead_letters"]["partitions"],
            settings=_settings(every["settings"], every["dead_letters"]["settings"]),
            events={},
            producers=self.consumers,
            consumers=tuple(every["dead_letters"]["consumers"]),
            dead_letters=False,
        )


class _FieldsOf:
    """The fields of an event by name, without those that nobody asks for."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        self._event = event

    def __getitem__(self, name: str) -> object:
        return getattr(self._event, name)


@cache
def _keys_of(form: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^:]+)", re.escape(form)))


@cache
def _every_topic() -> dict[str, Any]:
    text = files("attendance_schemas").joinpath("every-topic.yaml").read_text(encoding="utf-8")
    return cast("dict[str, Any]", yaml.safe_load(text))


def _settings(*layers: Mapping[str, object]) -> dict[str, str]:
    """Return settings as the broker writes them; a later layer stands before an earlier one."""
    return {name: _as_the_broker_writes(value) for layer in layers for name, value in layer.items()}


def _as_the_broker_writes(value: object) -> str:
    match str(value).split():
        case ["forever"]:
            return FOREVER
        case [count, unit] if (one := MILLISECONDS.get(unit.removesuffix("s"))) is not None:
            return str(int(count) * one)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _load() -> dict[str, Topic]:
    topics = {}
    every = _every_topic()
    for entry in sorted(files("attendance_schemas").joinpath("topics").iterdir(), key=lambda path: path.name):
        fields = yaml.safe_load(entry.read_text(encoding="utf-8"))
        fields["producers"] = tuple(fields["producers"])
        fields["consumers"] = tuple(fields["consumers"])
        fields["settings"] = _settings(every["settings"], fields["settings"])
        topic = Topic(**{"replicas": every["replicas"], **fields})
        topics[topic.name] = topic
    return topics


TOPICS: Mapping[str, Topic] = _load()


def dead_letter_topics() -> list[Topic]:
    """Return the topics of dead letters, of all topics that have one."""
    return [dead for topic in TOPICS.values() if (dead := topic.dead_letter_topic())]


CAPTURES = TOPICS["attendance.captures"]
CAPTURES_BACKLOG = TOPICS["attendance.captures-backlog"]
MATCHES = TOPICS["attendance.matches"]
MATCHES_SHADOW = TOPICS["attendance.matches-shadow"]
MODEL_ROLLOUTS = TOPICS["attendance.model-rollouts"]
ENROLMENTS = TOPICS["attendance.enrolments"]
ENROLMENT_RESULTS = TOPICS["attendance.enrolment-results"]
GALLERY = TOPICS["attendance.gallery"]
PERSON_KEYS = TOPICS["attendance.person-keys"]
DIRECTORY = TOPICS["attendance.directory"]
PUNCHES = TOPICS["attendance.punches"]
CORRECTIONS = TOPICS["attendance.corrections"]
CLOCK = TOPICS["attendance.clock"]
CHANGES = TOPICS["attendance.changes"]
LOCKED_DAYS = TOPICS["attendance.locked-days"]
OPERATIONS = TOPICS["attendance.operations"]
