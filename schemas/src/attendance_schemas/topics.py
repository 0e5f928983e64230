"""The topics of the contract, read from `schemas/topics/*.yaml`: each is a reviewed file.

A file is named like its topic, without `attendance.`. A topic knows its events and the key of each; who
publishes asks it for the key, so that what must stay in order stays in one partition.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from attendance_schemas.errors import SchemaError
from attendance_schemas.events import Event

DEAD_LETTER_SUFFIX = ".dlq"
DEAD_LETTER_PARTITIONS = 3
DEAD_LETTER_RETENTION_DAYS = 30
MILLISECONDS_PER_DAY = 86_400_000
MILLISECONDS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file. `events` maps the name of an event to the format of its key."""

    name: str
    description: str
    owner: str
    partitions: int
    retention_days: int | None
    cleanup: str
    events: Mapping[str, str]
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    dead_letters: bool
    compaction_lag_hours: int | None = None

    def key_of(self, event: Event) -> bytes:
        """Return the record key of an event of this topic, UTF-8."""
        name = type(event).__name__
        if name not in self.events:
            raise SchemaError(f"{name} is not an event of {self.name}; see its topic file")
        fields = {field: getattr(event, field) for field in event.__struct_fields__}
        return self.events[name].format_map(fields).encode()

    def fields_of(self, key: bytes) -> tuple[str, dict[str, str]] | None:
        """Return the event and the fields that a record key names, as text; None when no event has such keys.

        What a tombstone is about, since it has nothing else. Ids have no colon.
        """
        text = key.decode("utf-8", "replace")
        for name, form in self.events.items():
            if (match := _keys_of(form).fullmatch(text)) is not None:
                return name, match.groupdict()
        return None

    def config(self) -> dict[str, str]:
        """Return the broker's topic configuration."""
        retention = -1 if self.retention_days is None else self.retention_days * MILLISECONDS_PER_DAY
        config = {"cleanup.policy": self.cleanup, "retention.ms": str(retention)}
        if self.compaction_lag_hours is not None:
            # What was superseded or erased leaves the brokers' disks after this, however little is written.
            config["max.compaction.lag.ms"] = str(self.compaction_lag_hours * MILLISECONDS_PER_HOUR)
        return config

    def dead_letter_topic(self) -> "Topic | None":
        """Return the topic of this topic's dead letters, or None when it has none."""
        if not self.dead_letters:
            return None
        return Topic(
            name=self.name + DEAD_LETTER_SUFFIX,
            description=f"Records of {self.name} that can never work, unchanged, with the reason in headers.",
            owner=self.owner,
            partitions=DEAD_LETTER_PARTITIONS,
            retention_days=DEAD_LETTER_RETENTION_DAYS,
            cleanup="delete",
            events={},
            producers=self.consumers,
            consumers=(),
            dead_letters=False,
        )


@cache
def _keys_of(form: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^:]+)", re.escape(form)))


def _load() -> dict[str, Topic]:
    topics = {}
    for entry in sorted(files("attendance_schemas").joinpath("topics").iterdir(), key=lambda path: path.name):
        fields = yaml.safe_load(entry.read_text(encoding="utf-8"))
        fields["producers"] = tuple(fields["producers"])
        fields["consumers"] = tuple(fields["consumers"])
        topic = Topic(**fields)
        topics[topic.name] = topic
    return topics


TOPICS: Mapping[str, Topic] = _load()
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
