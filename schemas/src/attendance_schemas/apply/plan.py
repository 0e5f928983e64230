"""What `apply` would do: pure comparison of the topic files with what a cluster has.

What is stronger than its file stays: kept for longer, on more brokers. What no setting can make right is
refused, and then nothing is changed at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from attendance_schemas.topics import FOREVER, MILLISECONDS, Topic

REPLICAS, PARTITIONS, MINIMUM = "replicas", "partitions", "min.insync.replicas"
SHORTEST_LAG, LONGEST_LAG = "min.compaction.lag.ms", "max.compaction.lag.ms"
# Settings of which more, or less, is safer; of all others only the file's own value is right.
MORE_IS_SAFER = frozenset(
    {
        *(MINIMUM, "retention.ms", "retention.bytes", "delete.retention.ms", SHORTEST_LAG),
        "max.message.bytes",
    }
)
LESS_IS_SAFER = frozenset({LONGEST_LAG, "segment.ms"})
# Kafka's default where it has no limit.
LARGEST = str(2**63 - 1)
OFFSETS_RETENTION, SIXTY_DAYS_IN_MINUTES = "offsets.retention.minutes", 60 * 24 * 60


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as the broker has it; `is_own`: it is the topic's, not a default of the broker."""

    value: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the cluster has it. replicas: the number of brokers of each partition, by its number."""

    replicas: Mapping[int, int]
    settings: Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to be created."""

    name: str
    partitions: int
    replicas: int
    settings: Mapping[str, str]

    def __str__(self) -> str:
        return f"create {self.name}: {self.partitions} partitions, {self.replicas} replicas"


@dataclass(frozen=True, slots=True)
class NewValue:
    """A setting to be made what its topic file says."""

    topic: str
    setting: str
    found: str
    wanted: str

    def __str__(self) -> str:
        if self.found == self.wanted:
            value = in_words(self.setting, self.wanted)
            return f"set {self.topic}: {self.setting} {value}, until now a default of the broker"
        found, wanted = (in_words(self.setting, value) for value in (self.found, self.wanted))
        return f"set {self.topic}: {self.setting} from {found} to {wanted}"


@dataclass(slots=True)
class Plan:
    """What is to be done. With anything under `refused`, nothing is.

    imports: schemas that the registry lacks, by id. archive: those that lie under no subject of their event,
    by id. subjects: those to be registered, with the event. rules: of subjects. kept: what is stronger than
    its file, and stays. warnings: what somebody should look at.
    """

    topics: list[NewTopic] = field(default_factory=list)
    settings: list[NewValue] = field(default_factory=list)
    imports: dict[int, str] = field(default_factory=dict)
    archive: dict[int, str] = field(default_factory=dict)
    subjects: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def steps(self) -> list[str]:
        """Say what is to be done."""
        schemas = {
            "put into the registry, under their ids": len(self.imports),
            "keep under the subjects of their events": len(self.archive),
            "register under the subjects of their topics": len(self.subjects),
            "have the registry check new versions of": len(self.rules),
        }
        return [
            *map(str, self.topics),
            *map(str, self.settings),
            *(
                f"{words}: {count} schema{'s' if count > 1 else ''}"
                for words, count in schemas.items()
                if count
            ),
        ]


def compare(topics: Iterable[NewTopic], found: Mapping[str, FoundTopic]) -> Plan:
    """Return what makes the cluster have these topics."""
    plan = Plan()
    for topic in topics:
        if (there := found.get(topic.name)) is None:
            plan.topics.append(topic)
        else:
            _compare_partitions(topic, there, plan)
            _compare_settings(topic, there, plan)
    return plan


def wanted(topic: Topic, *, prefix: str, single_broker: bool, partitions: int | None) -> NewTopic:
    """Return a topic as it should be on this cluster. partitions: no more than these."""
    settings = dict(topic.settings)
    if single_broker:
        settings[MINIMUM] = "1"
    count = min(topic.partitions, partitions or topic.partitions)
    return NewTopic(prefix + topic.name, count, 1 if single_broker else topic.replicas, settings)


def _compare_partitions(topic: NewTopic, there: FoundTopic, plan: Plan) -> None:
    if (count := len(there.replicas)) != topic.partitions:
        plan.refused.append(
            f"{topic.name} has {count} partitions, its topic file says {topic.partitions}; keys would move. "
            "Make a new topic and replay into it, or correct the file"
        )
    fewer = [number for number, replicas in sorted(there.replicas.items()) if replicas < topic.replicas]
    if fewer:
        plan.refused.append(
            f"{topic.name} has fewer than {topic.replicas} replicas in {_partitions(fewer)}; give it more "
            "with kafka-reassign-partitions, then apply again"
        )
    elif there.replicas and min(there.replicas.values()) > topic.replicas:
        plan.kept.append(
            f"{topic.name}: {min(there.replicas.values())} replicas, its file says {topic.replicas}"
        )


def _compare_settings(topic: NewTopic, there: FoundTopic, plan: Plan) -> None:
    for name, value in topic.settings.items():
        current = there.settings[name]
        stays = current.value if is_stronger(name, current.value, value) else value
        if current.value != stays or not current.is_own:
            # What is as it should be by a default of the broker would change with that default.
            plan.settings.append(NewValue(topic.name, name, current.value, stays))
        elif stays != value:
            found, file = in_words(name, stays), in_words(name, value)
            plan.kept.append(f"{topic.name}: {name} is {found}, its file says {file}")
    _compare_lags(topic, there, plan)
    _compare_minimum(topic, there, plan)


def _compare_minimum(topic: NewTopic, there: FoundTopic, plan: Plan) -> None:
    """Refuse a minimum that would stay and that no partition can reach: nobody could write."""
    if MINIMUM not in topic.settings:
        return
    minimum, replicas = int(there.settings[MINIMUM].value), min(there.replicas.values(), default=0)
    if minimum > max(replicas, int(topic.settings[MINIMUM])):
        plan.refused.append(
            f"{topic.name} takes no records: {MINIMUM} is {minimum}, and partitions have {replicas} "
            f"replicas; set it to {topic.settings[MINIMUM]}"
        )


def _compare_lags(topic: NewTopic, there: FoundTopic, plan: Plan) -> None:
    """Refuse a lag that would stay and leaves no room for the other: no broker takes such a pair."""
    if not {SHORTEST_LAG, LONGEST_LAG} <= topic.settings.keys():
        return
    file, found = topic.settings, there.settings
    shortest = max(file[SHORTEST_LAG], found[SHORTEST_LAG].value, key=int)
    longest = min(file[LONGEST_LAG], found[LONGEST_LAG].value, key=int)
    if int(shortest) > int(longest):
        plan.refused.append(
            f"{topic.name}: {SHORTEST_LAG} would be {in_words(SHORTEST_LAG, shortest)}, more than the "
            f"{in_words(LONGEST_LAG, longest)} of {LONGEST_LAG}; set them to "
            f"{in_words(SHORTEST_LAG, file[SHORTEST_LAG])} and {in_words(LONGEST_LAG, file[LONGEST_LAG])}"
        )


def is_stronger(setting: str, found: str, wanted: str) -> bool:
    """Tell whether a setting as found keeps more than its topic file asks for."""
    if found == wanted:
        return False
    if setting in MORE_IS_SAFER:
        return found == FOREVER or (wanted != FOREVER and int(found) > int(wanted))
    return setting in LESS_IS_SAFER and int(found) < int(wanted)


def in_words(setting: str, value: str) -> str:
    """Return a value for people: 30 days, not 2592000000."""
    if setting.endswith((".ms", ".bytes")) and value in {FOREVER, LARGEST}:
        return "without limit"
    if setting.endswith(".ms"):
        for unit, one in MILLISECONDS.items():
            count, rest = divmod(int(value), one)
            if count and not rest:
                return f"{count} {unit}{'s' if count > 1 else ''}"
    return value


def missing_brokers(answering: int, topics: Sequence[NewTopic]) -> int:
    """Return how many brokers lack for the replicas of these topics."""
    return max(0, max(topic.replicas for topic in topics) - answering)


def offsets_warning(minutes: Mapping[str, str]) -> str | None:
    """Say which brokers forget the positions of a group before its captures expire. minutes: by broker."""
    early = {broker: value for broker, value in minutes.items() if 0 <= int(value) < SIXTY_DAYS_IN_MINUTES}
    if not early:
        return None
    days = min(map(int, early.values())) / (24 * 60)
    return (
        f"the positions of a group that is away for {days:g} days are forgotten by broker "
        f"{', '.join(sorted(early))}; "
        f"a worker that comes back later begins again. Set {OFFSETS_RETENTION}={SIXTY_DAYS_IN_MINUTES} there"
    )


def _partitions(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""  # noqa: PLR2004
    return f"partition {shown}{more}" if len(numbers) == 1 else f"partitions {shown}{more}"
