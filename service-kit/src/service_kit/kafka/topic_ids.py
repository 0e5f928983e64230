"""Which cluster and topic a name stands for: one that is made again under its old name has another id.

aiokafka asks for the description of topics in a form that is older than these ids, so the newer form is
spelled out here. Source: https://kafka.apache.org/protocol, Metadata, version 10; known since Kafka 2.8.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from service_kit.errors import TransientFailure
from service_kit.settings import KafkaSettings

NO_ID = UUID(int=0)


class TopicIdentity(NamedTuple):
    """What offsets belong to, whatever the names are: a topic of a cluster, by their ids."""

    cluster_id: str
    topic_id: UUID


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)


class _DescribedTopics(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                ("partitions", CompactArray(*_PARTITION)),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _DescribeTopicsV10(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _DescribedTopics
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _DescribeTopics(Request[_DescribeTopicsV10]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[Any]) -> Any:
        named: list[tuple[UUID, str, dict[int, bytes]]] = [
            (NO_ID, topic, {}) for topic in sorted(self._topics)
        ]
        return request_struct_class(named, False, False, False, {})


async def identify_topics(kafka: KafkaSettings, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
    """Return the identities of those of the topics (full names) that there are.

    Raises:
        TransientFailure: Kafka is away.
    """
    client = AIOKafkaClient(**kafka.client_options())
    try:
        await client.bootstrap()
        return await identities_from(client, topics)
    except (KafkaError, TimeoutError) as error:
        raise TransientFailure("kafka", f"no answer about the ids of topics: {error!r}") from error
    finally:
        await client.close()


async def identities_from(client: AIOKafkaClient, topics: Collection[str]) -> Mapping[str, TopicIdentity]:
    """Ask by a client that is connected; raises what the client raises.

    Only a topic that the broker says is none is left out: of one that it may not tell, nothing is known.
    """
    answer = await client.send(client.get_random_node(), _DescribeTopics(topics))
    cluster_id, found = answer.cluster_id or "", {}
    for error, topic, id_, *_ in answer.topics:
        if error == UnknownTopicOrPartitionError.errno:
            continue
        if error:
            raise for_code(error)(topic)
        found[topic] = TopicIdentity(cluster_id, id_)
    return found
