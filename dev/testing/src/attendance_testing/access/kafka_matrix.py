"""Every identity at every topic and group: read, write, make topics, and look at permissions."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclOperation,
    AdminClient,
    NewTopic,
)

from attendance_deploy.access.permissions import KafkaAccess
from attendance_schemas.apply import all_topics
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome

SERVER = "kafka"
SECONDS = 20.0
STRANGE = "strange"
_REFUSALS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
NOTHING = KafkaAccess()


def outcomes(installation: Installation) -> Iterator[Outcome]:
    """Try everything as every identity."""
    groups = [
        group
        for identity in installation.permissions.identities.values()
        if identity.kafka is not None
        for group in identity.kafka.all_groups
    ]
    for name, identity in installation.permissions.identities.items():
        access = identity.kafka or NOTHING
        may_write, may_read = set(access.writes), set(access.reads)
        for topic, did in _written(installation, name).items():
            yield Outcome(SERVER, name, f"write: {topic}", topic in may_write, did)
        for topic, did in _read(installation, name).items():
            yield Outcome(SERVER, name, f"read: {topic}", topic in may_read, did)
        admin = AdminClient(_options(installation, name))
        for group in (*groups, STRANGE):
            did = _group_answers(admin, installation.prefix + group)
            yield Outcome(SERVER, name, f"group: {group}", group in access.all_groups, did)
        made = _makes_a_topic(admin, f"{installation.prefix}attendance.new")
        yield Outcome(SERVER, name, "make: a topic of ours", bool(access.manages), made)
        yield Outcome(SERVER, name, "make: another topic", False, _makes_a_topic(admin, "other"))
        yield Outcome(SERVER, name, "look: at permissions", False, _sees_acls(admin))


def _options(installation: Installation, name: str) -> dict[str, Any]:
    certificate = installation.certificate(name)
    return {
        "bootstrap.servers": installation.env.kafka_bootstrap_servers,
        "security.protocol": "SSL",
        "ssl.ca.location": str(certificate.ca),
        "ssl.certificate.location": str(certificate.cert),
        "ssl.key.location": str(certificate.key),
        "log_level": 0,
    }


def _names(installation: Installation) -> dict[str, str]:
    """Return each topic by its full name."""
    return {installation.prefix + topic.name: topic.name for topic in all_topics()}


def _written(installation: Installation, name: str) -> Mapping[str, bool]:
    names, found = _names(installation), {}
    producer = Producer({**_options(installation, name), "message.timeout.ms": int(SECONDS * 1000)})

    def delivered(error: KafkaError | None, message: Any) -> None:
        found[names[message.topic()]] = _is_allowed(error)

    for topic in names:
        producer.produce(topic, key=b"matrix", value=b"matrix", on_delivery=delivered)
    if unheard := producer.flush(SECONDS):
        raise RuntimeError(f"Kafka told {name} nothing about {unheard} records")
    return found


def _read(installation: Installation, name: str) -> Mapping[str, bool]:
    names = _names(installation)
    options = {"group.id": STRANGE, "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({**_options(installation, name), **options})
    try:
        found = {topic: _is_allowed(_described(consumer, full)) for full, topic in names.items()}
        # Who may read may describe. Who may describe, since it writes, hears at the fetch what it may.
        seen = [full for full, topic in names.items() if found[topic]]
        consumer.assign([TopicPartition(full, 0, OFFSET_BEGINNING) for full in seen])
        unheard = set(seen)
        while unheard and (message := consumer.poll(SECONDS)) is not None:
            error = message.error()
            if message.topic() is None:
                continue  # about its group, which this client must have and does not use
            is_end = error is not None and error.code() == KafkaError._PARTITION_EOF
            found[names[message.topic()]] = is_end or _is_allowed(error)
            unheard.discard(message.topic())
    finally:
        consumer.close()
    if unheard:
        raise RuntimeError(f"Kafka told {name} nothing about {', '.join(sorted(unheard))}")
    return found


def _described(consumer: Consumer, topic: str) -> KafkaError | None:
    return consumer.list_topics(topic, timeout=SECONDS).topics[topic].error


def _group_answers(admin: AdminClient, group: str) -> bool:
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=SECONDS)
    return _did(asked[group].result)


def _makes_a_topic(admin: AdminClient, topic: str) -> bool:
    asked = admin.create_topics([NewTopic(topic, 1, 1)], validate_only=True, request_timeout=SECONDS)
    return _did(asked[topic].result)


def _sees_acls(admin: AdminClient) -> bool:
    # The client shows no ACLs, and no error, where the broker refuses; this tells what the broker thinks.
    asked = admin.describe_cluster(include_authorized_operations=True, request_timeout=SECONDS)
    return AclOperation.DESCRIBE in (asked.result().authorized_operations or ())


def _did(result: Callable[[], object]) -> bool:
    try:
        result()
    except KafkaException as error:
        return _is_allowed(error.args[0])
    return True


def _is_allowed(error: KafkaError | None) -> bool:
    """Tell a refusal from an answer; anything else is no answer."""
    if error is None:
        return True
    if error.code() in _REFUSALS:
        return False
    raise RuntimeError(f"Kafka neither allowed nor refused: {error.str()}")
