"""The cluster as `apply` sees it: its brokers, topics and their settings, and the two ways to change them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as TopicToCreate
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from attendance_schemas.apply.incremental import SetTopicSettings
from attendance_schemas.apply.plan import OFFSETS_RETENTION, FoundTopic, NewTopic, NewValue, Setting
from attendance_schemas.errors import BrokerUnavailable, SchemaError

CREATE_MILLISECONDS = 30_000
# Where a setting comes from, by DescribeConfigs: the topic itself.
OF_THE_TOPIC = 1


class Cluster:
    """Reads and changes the topics of a cluster."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def brokers(self) -> list[str]:
        """Return the ids of the brokers that answer."""
        cluster = await self._admin.describe_cluster()
        return [str(broker["node_id"]) for broker in cluster["brokers"]]

    async def topics(self, names: Iterable[str]) -> dict[str, FoundTopic]:
        """Return those of these topics that there are."""
        there = sorted(set(await self._admin.list_topics()) & set(names))
        if not there:
            return {}
        described = await self._admin.describe_topics(there)
        _refuse([(each["topic"], each["error_code"], None) for each in described], "not described")
        settings = await self._settings([ConfigResource(ConfigResourceType.TOPIC, name) for name in there])
        return {
            topic["topic"]: FoundTopic(
                {part["partition"]: len(part["replicas"]) for part in topic["partitions"]},
                settings[topic["topic"]],
            )
            for topic in described
        }

    async def offsets_retention(self, brokers: Iterable[str]) -> dict[str, str]:
        """Return the minutes for which brokers keep the positions of a group, of those that tell."""
        resources = [
            ConfigResource(ConfigResourceType.BROKER, each, {OFFSETS_RETENTION: None}) for each in brokers
        ]
        try:
            found = await self._settings(resources)
        except SchemaError:
            return {}  # not everybody may see the settings of a broker
        return {broker: values[OFFSETS_RETENTION].value for broker, values in found.items() if values}

    async def create(self, topics: list[NewTopic], *, only_check: bool = False) -> None:
        """Create topics, and leave those alone that another made meanwhile. Raises SchemaError.

        only_check: only ask the brokers whether they would.
        """
        if not topics:
            return
        to_create = [
            TopicToCreate(each.name, each.partitions, each.replicas, topic_configs=dict(each.settings))
            for each in topics
        ]
        response = await self._admin.create_topics(
            to_create, timeout_ms=CREATE_MILLISECONDS, validate_only=only_check
        )
        answers = [
            (name, code, text)
            for name, code, text in response.topic_errors
            if code != TopicAlreadyExistsError.errno
        ]
        _refuse(answers, "not created")

    async def set(self, values: list[NewValue], *, only_check: bool = False) -> None:
        """Set settings of topics, and leave all others alone. Raises SchemaError.

        only_check: only ask the brokers whether they would.
        """
        if not values:
            return
        settings: dict[str, dict[str, str]] = {}
        for value in values:
            settings.setdefault(value.topic, {})[value.setting] = value.wanted
        response = await self._admin._send_request(
            SetTopicSettings(settings, only_check=only_check)
        )  # it has no method for this one
        _refuse([(name, code, text) for code, text, _, name in response.responses], "not changed")

    async def _settings(self, resources: list[ConfigResource]) -> dict[str, dict[str, Setting]]:
        found: dict[str, dict[str, Setting]] = {}
        for response in await self._admin.describe_configs(resources):
            _refuse([(each[3], each[0], each[1]) for each in response.resources], "settings not told")
            for _, _, _, name, entries in response.resources:
                found[name] = {entry[0]: Setting(entry[1], entry[3] == OF_THE_TOPIC) for entry in entries}
        return found


@asynccontextmanager
async def connected(bootstrap_servers: str, options: Mapping[str, Any]) -> AsyncIterator[Cluster]:
    """Connect to a cluster. Raises BrokerUnavailable, also when a broker goes away meanwhile."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **options)
    try:
        await admin.start()
    except KafkaError as error:
        await admin.close()
        raise BrokerUnavailable(f"no Kafka broker answers at {bootstrap_servers}: {error}") from error
    try:
        yield Cluster(admin)
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"a Kafka broker went away, apply again: {error!r}") from error
    finally:
        await admin.close()


def _refuse(answers: list[tuple[str, int, str | None]], what: str) -> None:
    """Raise SchemaError for what a broker refused, BrokerUnavailable where it may do it later."""
    failed = [f"{name}: {text or for_code(code).__name__}" for name, code, text in answers if code]
    if failed and any(not for_code(code).retriable for _, code, _ in answers if code):
        raise SchemaError(f"{what}: {'; '.join(failed)}")
    if failed:
        raise BrokerUnavailable(f"{what} now, apply again: {'; '.join(failed)}")
