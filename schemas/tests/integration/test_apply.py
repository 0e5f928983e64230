import asyncio
import json
import os
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin import NewTopic as TopicToCreate
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

from attendance_schemas.apply import all_topics, apply
from attendance_schemas.apply.cluster import Cluster
from attendance_schemas.apply.plan import NewTopic, NewValue
from attendance_schemas.apply.schemas import archive_of
from attendance_schemas.codec import Codec
from attendance_schemas.errors import (
    BrokerUnavailable,
    ContractMismatch,
    RegistryUnavailable,
    SchemaError,
    SchemaNotRegistered,
)
from attendance_schemas.golden import golden_examples
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.schema_files import id_of_text, registered_texts, schema_text
from attendance_schemas.topics import DIRECTORY, MATCHES, TOPICS

pytestmark = pytest.mark.integration

DAY = 86_400_000


@pytest.fixture
def contract(stack, topic_prefix):
    """Apply the contract to this test's topics, on one broker."""

    async def applying(**options):
        servers, registry = stack.kafka_bootstrap_servers, stack.schema_registry_url
        return await apply(servers, registry, **{"prefix": topic_prefix, "single_broker": True, **options})

    return applying


@pytest.fixture
async def admin(stack):
    client = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def matches(topic_prefix):
    return topic_prefix + MATCHES.name


async def settings_of(admin, topic: str) -> dict[str, str]:
    (response,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    return {entry[0]: entry[1] for entry in response.resources[0][4]}


async def set_by_an_operator(admin, topic: str, settings: dict[str, str]) -> None:
    await Cluster(admin).set([NewValue(topic, name, "", value) for name, value in settings.items()])

    async def are_shown() -> bool:
        return settings.items() <= (await settings_of(admin, topic)).items()

    await eventually(are_shown)


async def partitions_seen(admin, topic: str, count: int) -> None:
    async def are_shown() -> bool:
        return len((await admin.describe_topics([topic]))[0]["partitions"]) == count

    await eventually(are_shown)


async def eventually(is_so) -> None:
    """Return when the broker shows it: it hears of changes a moment later."""
    async with asyncio.timeout(10):
        while True:
            if await is_so():
                return
            await asyncio.sleep(0.02)


async def test_apply_twice_changes_nothing(contract, topic_prefix, admin, matches):
    first = await contract()
    assert [topic.name for topic in first.topics] == [topic_prefix + topic.name for topic in all_topics()]
    again = await contract()
    assert (again.steps, again.kept, again.warnings, again.refused) == ([], [], [], [])
    settings = await settings_of(admin, matches)
    assert settings.items() >= {**MATCHES.settings, "min.insync.replicas": "1"}.items()


async def test_a_dry_run_changes_nothing(contract, topic_prefix, admin):
    plan = await contract(dry_run=True)
    assert len(plan.topics) == len(all_topics())
    assert not [name for name in await admin.list_topics() if name.startswith(topic_prefix)]


async def test_one_broker_is_never_guessed(contract, admin, topic_prefix):
    with pytest.raises(BrokerUnavailable, match=r"^1 of 3 brokers answer: 2 missing for 3 replicas"):
        await contract(single_broker=False)
    assert not [name for name in await admin.list_topics() if name.startswith(topic_prefix)]


async def test_only_what_is_less_is_made_right(contract, admin, matches):
    await contract()
    as_operators_have_it = {
        "retention.ms": str(30 * DAY),
        "segment.bytes": "10485760",
        "unclean.leader.election.enable": "true",
    }
    await set_by_an_operator(admin, matches, as_operators_have_it)
    plan = await contract()
    assert plan.steps == [
        f"set {matches}: unclean.leader.election.enable from true to false",
        f"set {matches}: retention.ms from 30 days to 400 days",
    ]
    assert (await settings_of(admin, matches)).items() >= {
        ("retention.ms", str(400 * DAY)),
        ("segment.bytes", "10485760"),
        ("unclean.leader.election.enable", "false"),
    }


async def test_what_is_kept_for_longer_stays(contract, admin, matches):
    await contract()
    await set_by_an_operator(admin, matches, {"retention.ms": "-1"})
    plan = await contract()
    assert plan.steps == []
    assert plan.kept == [f"{matches}: retention.ms is without limit, its file says 400 days"]
    assert (await settings_of(admin, matches))["retention.ms"] == "-1"


async def test_what_a_broker_would_refuse_is_known_before_anything_is_changed(contract, admin, topic_prefix):
    await contract()
    directory, matches = topic_prefix + DIRECTORY.name, topic_prefix + MATCHES.name
    await set_by_an_operator(admin, matches, {"retention.ms": str(30 * DAY)})
    await set_by_an_operator(admin, directory, {"max.compaction.lag.ms": str(30 * DAY)})
    await set_by_an_operator(admin, directory, {"min.compaction.lag.ms": str(10 * DAY)})
    with pytest.raises(ContractMismatch, match=r"min.compaction.lag.ms would be 10 days, more"):
        await contract()
    assert (await settings_of(admin, matches))["retention.ms"] == str(30 * DAY)

    wrong = NewValue(directory, "max.compaction.lag.ms", "", str(8 * DAY))
    right = NewValue(matches, "retention.ms", "", str(60 * DAY))
    with pytest.raises(SchemaError, match=f"not changed: {directory}"):
        await Cluster(admin).set([right, wrong], only_check=True)
    await Cluster(admin).set([right], only_check=True)
    with pytest.raises(SchemaError, match="not created"):
        await Cluster(admin).create(
            [NewTopic(f"{directory}.x", 1, 1, {"retention.ms": "x"})], only_check=True
        )
    assert f"{directory}.x" not in await admin.list_topics()
    assert (await settings_of(admin, matches))["retention.ms"] == str(30 * DAY)


async def test_other_partition_count_is_refused_and_nothing_changed(contract, admin, matches, topic_prefix):
    await admin.create_topics([TopicToCreate(matches, num_partitions=1, replication_factor=1)])
    await partitions_seen(admin, matches, 1)
    with pytest.raises(ContractMismatch, match="has 1 partitions, its topic file says 48"):
        await contract()
    assert [name for name in await admin.list_topics() if name.startswith(topic_prefix)] == [matches]
    await admin.create_partitions({matches: NewPartitions(49)})
    await partitions_seen(admin, matches, 49)
    assert "has 49 partitions" in (await contract(dry_run=True)).refused[0]


async def test_topics_that_another_apply_made_meanwhile_are_compared(
    stack, contract, topic_prefix, monkeypatch
):
    def another(_plan) -> None:
        assert ended(stack, topic_prefix).returncode == 0

    plan = await contract(on_plan=another)
    assert len(plan.topics) == len(all_topics())
    assert (await contract(dry_run=True)).steps == []

    monkeypatch.setattr("attendance_schemas.apply.SEEN_WITHIN_SECONDS", 1.0)
    others = f"{topic_prefix}others."

    def with_more_partitions(_plan) -> None:
        assert ended(stack, others).returncode == 0

    with pytest.raises(ContractMismatch, match=r"somebody else made topics meanwhile: .* has 48 partitions"):
        await contract(prefix=others, partitions=2, on_plan=with_more_partitions)


async def test_the_brokers_clock_is_the_time_of_a_record(stack, contract, matches):
    await contract()
    long_ago = 946_684_800_000
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
        sent = await producer.send_and_wait(matches, b"x", timestamp_ms=long_ago)
    assert sent.timestamp > long_ago + 20 * 365 * DAY


async def test_clients_of_others_read_what_we_write(stack, contract, topic_prefix, matches):
    await contract()
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        codec = Codec(registry, prefix=topic_prefix)
        await codec.prepare(TOPICS.values())
        _, event, _ = next(golden for golden in golden_examples() if golden[0] == "MatchDecided/identified")
        async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap_servers, acks="all") as producer:
            await producer.send_and_wait(matches, codec.encode(event, MATCHES), key=MATCHES.key_of(event))
        async with AIOKafkaConsumer(
            matches, bootstrap_servers=stack.kafka_bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            record = await consumer.getone()
        assert await codec.decode(record.value) == event
    with SchemaRegistryClient({"url": stack.schema_registry_url}) as client:
        read = AvroDeserializer(client)(record.value, SerializationContext(matches, MessageField.VALUE))
    assert read["outcome"] == "IDENTIFIED"
    assert read["person_id"] == "p-1042"
    assert read["occurred_at"] == event.occurred_at
    assert read["score"] == event.score


async def test_every_text_of_all_times_is_in_the_registry(stack, contract):
    await contract()
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        for identity, text in registered_texts().items():
            assert await registry.schema_by_id(identity) == text
            assert await registry.found_id(archive_of(text), text) == identity


async def test_the_registry_keeps_the_change_feed_readable_for_others(stack, contract, topic_prefix):
    await contract()
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        rules = {
            name: await registry.compatibility_of(f"{topic_prefix}{topic}-attendance.{name}")
            for topic, name in (
                ("attendance.changes", "AttendanceDayChanged"),
                ("attendance.matches", "MatchDecided"),
            )
        }
    assert rules == {"AttendanceDayChanged": "FULL_TRANSITIVE", "MatchDecided": "BACKWARD_TRANSITIVE"}


async def test_unregistered_schema_says_what_to_run(stack):
    async with SchemaRegistry(stack.schema_registry_url) as registry:
        with pytest.raises(SchemaNotRegistered, match="attendance-schemas apply"):
            await Codec(registry, prefix="nobody.").prepare([MATCHES])


async def test_a_wrong_path_is_no_unknown_schema(stack):
    async with SchemaRegistry(stack.schema_registry_url + "/wrong") as registry:
        with pytest.raises(RegistryUnavailable, match="is the path of SCHEMA_REGISTRY_URL right"):
            await registry.schema_by_id(id_of_text(schema_text("MatchDecided")))


async def test_absent_registry_is_transient():
    async with SchemaRegistry("http://127.0.0.1:9/apis/ccompat/v7", timeout=0.5) as registry:
        with pytest.raises(RegistryUnavailable, match="does not answer"):
            await registry.schema_by_id(1)


def ended(stack, prefix: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "attendance_schemas", "apply", *arguments]
    environ = {**os.environ, **stack.environ(), "KAFKA_TOPIC_PREFIX": prefix}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def test_the_command_plans_and_does(stack, topic_prefix):
    planned = ended(stack, topic_prefix, "--dry-run")
    assert planned.returncode == 3, planned.stderr
    assert "attendance.captures: 48 partitions, 1 replicas" in " ".join(planned.stdout.split())
    done = ended(stack, topic_prefix)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "done"), done.stderr
    again = ended(stack, topic_prefix, "--dry-run")
    assert (again.returncode, again.stdout) == (0, "nothing to do\n")
    told = json.loads(ended(stack, topic_prefix, "--json").stdout)
    assert (told["topics"], told["settings"], told["refused"]) == ([], [], [])
