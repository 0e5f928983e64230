"""An archive in a bucket of the stack, and topics put into it without the command that does so."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from pydantic import SecretStr

from local_stack.environment import StackEnv
from service_kit.archive.draft import Limits
from service_kit.archive.manifest import Series
from service_kit.archive.store import Archive
from service_kit.archive.writer import Writer, end_of
from service_kit.kafka.bounded_reading import bounds_of, partitions_of
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import identify_topics
from service_kit.settings import KafkaSettings, ObjectStoreAccess
from service_kit.state.object_store import ObjectStore


def store_of(stack: StackEnv) -> ObjectStore:
    """Return the object store of the stack; whoever asks closes it."""
    return ObjectStore(
        ObjectStoreAccess(
            endpoint=stack.object_store_endpoint,
            access_key=stack.object_store_access_key,
            secret_key=SecretStr(stack.object_store_secret_key),
        )
    )


@asynccontextmanager
async def archive_of(stack: StackEnv, bucket: str) -> AsyncIterator[Archive]:
    """Give the archive in a bucket."""
    store = store_of(stack)
    yield Archive(store, bucket)
    await store.close()


async def archive_all(
    kafka: KafkaSettings, archive: Archive, topics: Collection[str], limits: Limits
) -> Mapping[TopicPartition, int]:
    """Archive what topics (full names) have now; return where each partition ends."""
    identities = await identify_topics(kafka, topics)
    bounds = await bounds_of(kafka, await partitions_of(kafka, *topics))
    for each, (_, end) in bounds.items():
        series = Series(
            topic=each.topic,
            topic_id=identities[each.topic].topic_id,
            cluster_id=identities[each.topic].cluster_id,
            partition=each.partition,
        )
        await Writer(kafka, archive, series, limits).archive_until(await end_of(archive, series, end), end)
    return {each: end for each, (_, end) in bounds.items()}
