"""Bring a cluster to the contract: create the topics of the topic files, register the schemas.

Applying twice changes nothing. Settings that drifted are put back; a topic with another number of partitions
is refused, since keys would change their partition and lose their order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from attendance_schemas.codec import schema_text, subject_of
from attendance_schemas.errors import BrokerUnavailable, SchemaError, TopicMismatch
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import TOPICS, Topic

SAFE_REPLICATION = 3


@dataclass(slots=True)
class Applied:
    """What `apply` changed."""

    created: list[str] = field(default_factory=list)
    configured: list[str] = field(default_factory=list)
    subjects: dict[str, int] = field(default_factory=dict)


def all_topics() -> list[Topic]:
    """Return every topic and the dead letters of those that have them."""
    dead_letters = [dead for topic in TOPICS.values() if (dead := topic.dead_letter_topic())]
    return [*TOPICS.values(), *dead_letters]


async def apply(
    bootstrap_servers: str,
    registry_url: str,
    *,
    prefix: str = "",
    client_options: Mapping[str, object] | None = None,
    partitions: int | None = None,
) -> Applied:
    """Create topics and register schemas; `partitions` caps the number of each topic (small test clusters).

    Raises TopicMismatch, SchemaError, BrokerUnavailable or RegistryUnavailable.
    """
    applied = Applied()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **(client_options or {}))
    try:
        await admin.start()
    except KafkaError as error:
        await admin.close()
        raise BrokerUnavailable(f"no Kafka broker answers at {bootstrap_servers}: {error}") from error
    try:
        cluster = await admin.describe_cluster()
        replication = SAFE_REPLICATION if len(cluster["brokers"]) >= SAFE_REPLICATION else 1
        await _apply_topics(admin, all_topics(), prefix, replication, partitions, applied)
    finally:
        await admin.close()
    async with SchemaRegistry(registry_url) as registry:
        for topic in TOPICS.values():
            for name in topic.events:
                subject = subject_of(prefix + topic.name, name)
                applied.subjects[subject] = await registry.register(subject, schema_text(name))
    return applied


async def _apply_topics(
    admin: AIOKafkaAdminClient,
    topics: Iterable[Topic],
    prefix: str,
    replication: int,
    cap: int | None,
    applied: Applied,
) -> None:
    existing = set(await admin.list_topics())
    to_create, to_check = [], []
    for topic in topics:
        name = prefix + topic.name
        partitions = min(topic.partitions, cap or topic.partitions)
        config = topic.config() | {"min.insync.replicas": str(max(1, replication - 1))}
        if name in existing:
            to_check.append((name, partitions, config))
        else:
            to_create.append(
                NewTopic(
                    name, num_partitions=partitions, replication_factor=replication, topic_configs=config
                )
            )
    if to_create:
        response = await admin.create_topics(to_create, timeout_ms=30_000)
        failed = [error for error in response.topic_errors if error[1] != 0]
        if failed:
            raise SchemaError(f"topics could not be created: {failed}")
        applied.created = [topic.name for topic in to_create]
    if to_check:
        await _check_existing(admin, to_check, applied)


async def _check_existing(
    admin: AIOKafkaAdminClient, expected: list[tuple[str, int, dict[str, str]]], applied: Applied
) -> None:
    described = {
        topic["topic"]: topic for topic in await admin.describe_topics([name for name, _, _ in expected])
    }
    for name, partitions, config in expected:
        found = len(described[name]["partitions"])
        if found != partitions:
            raise TopicMismatch(
                f"{name} has {found} partitions, its topic file says {partitions}; keys would move. "
                "Make a new topic and replay into it, or correct the file."
            )
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        responses = await admin.describe_configs([resource])
        current = {
            entry[0]: entry[1]
            for response in responses
            for result in response.resources
            for entry in result[4]
        }
        if any(current.get(key) != value for key, value in config.items()):
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])
            applied.configured.append(name)
