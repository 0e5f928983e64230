"""Looking: what an operator sees of the log, and who may see more."""

from uuid import UUID, uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from attendance_schemas.golden import golden_examples
from attendance_schemas.sensitivity import MASK
from attendance_schemas.topics import CAPTURES, MATCHES, PUNCHES
from local_stack.keys.tokens import sign_token

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}
CAPTURE, MATCH = GOLDEN["CaptureReceived/live"], GOLDEN["MatchDecided/identified"]
PUNCH = GOLDEN["PunchSubmitted/badge"]


def uuid7(number: int) -> UUID:
    """Return an id that says a time of 2025."""
    return UUID(int=(1_750_000_000_000 + number << 80) | 7 << 76 | 2 << 62 | number)


def captures(count: int) -> list:
    return [
        msgspec.structs.replace(
            CAPTURE, event_id=uuid4(), capture_id=uuid7(number), device_id=f"gate-{number % 2}"
        )
        for number in range(count)
    ]


async def test_inspect_finds_by_what_is_in_a_record(installation) -> None:
    sent = captures(10)
    await installation.publish(CAPTURES, sent, (("correlation-id", b"abc"),))
    everything = (await installation.done("inspect", "captures", "--json")).json()
    assert {each["fields"]["capture_id"] for each in everything} == {str(each.capture_id) for each in sent}
    assert all(each["fields"]["image"]["key"] == MASK for each in everything)
    of_one = ("inspect", "captures", "--where", "device=gate-1", "--json")
    assert len((await installation.done(*of_one)).json()) == 5
    newest = (await installation.done("inspect", "captures", "--newest", "--limit", 1, "--json")).json()
    assert newest[0]["at"] == max(each["at"] for each in everything)
    place = everything[3]
    at = f"{place['partition']}:{place['offset']}"
    assert (await installation.done("inspect", "captures", "--offset", at, "--json")).json() == [place]
    assert (await installation.ops("inspect", "captures", "--header", "correlation-id=x")).code == 1
    assert (await installation.ops("inspect", "captures", "--to", "2d")).code == 1
    wrong = await installation.ops("inspect", "photos")
    assert (wrong.code, "there is no topic photos" in wrong.err) == (2, True)
    wrong = await installation.ops("inspect", "captures", "--partition", 99)
    assert (wrong.code, "and no 99" in wrong.err) == (2, True)


async def test_a_badge_is_found_only_with_the_role(installation, stack_control) -> None:
    await installation.publish(PUNCHES, [PUNCH])
    searched = ("inspect", "punches", "--where", f"credential={PUNCH.credential}")
    assert (await installation.ops(*searched)).code == 1
    shown = await installation.done("inspect", "punches")
    assert PUNCH.credential not in shown.out
    assert MASK in shown.out

    for role, code in (("hr", 0), ("ops", 2)):
        token = sign_token(
            stack_control.folder, roles=[role], subject="meera", organisation="acme", sites=None
        )
        installation.environ["OPS_TOKEN"] = token
        answer = await installation.ops(*searched)
        assert answer.code == code, answer.err
        assert (PUNCH.credential in answer.out) == (role == "hr")
        assert token not in answer.err


async def test_trace_shows_the_whole_way(installation) -> None:
    (sent,) = captures(1)
    decided = msgspec.structs.replace(MATCH, event_id=uuid4(), capture_id=sent.capture_id)
    await installation.publish(CAPTURES, [*captures(3)[1:], sent])
    await installation.publish(MATCHES, [decided])
    place = await installation.bury(installation.encoded(decided, MATCHES), "fails-alone", "timed out")
    steps = (await installation.done("trace", sent.capture_id, "--json")).json()["steps"]
    assert [each["event"] for each in steps] == ["CaptureReceived", "MatchDecided", "MatchDecided"]
    assert [each["is_read"] for each in steps] == [False, False, None]
    assert f"{steps[2]['topic']}:{steps[2]['partition']}:{steps[2]['offset']}" == place
    told = await installation.done("trace", sent.capture_id)
    assert "recognition-worker has not read it yet" in told.out
    nobody = await installation.ops("trace", uuid7(99))
    assert (nobody.code, "no topic names" in nobody.out) == (1, True)
    assert (await installation.ops("trace", uuid4())).code == 2


async def test_status_and_lag_count(installation) -> None:
    await installation.publish(CAPTURES, captures(10))
    topic = installation.kafka.topic(CAPTURES.name)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=installation.kafka.bootstrap_servers,
        group_id=installation.kafka.group("recognition-worker"),
        enable_auto_commit=False,
    )
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in range(3)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    await consumer.commit({each: max(0, end - 2) for each, end in ends.items()})
    await consumer.stop()
    expected = sum(min(2, end) for end in ends.values())
    lags = (await installation.done("lag", "--json")).json()
    assert [(each["group"], each["topic"], each["records"]) for each in lags] == [
        ("recognition-worker", CAPTURES.name, expected)
    ]
    assert 0 < lags[0]["waited_seconds"] < 60
    found = (await installation.done("status", "--json")).json()
    topics = {each["topic"]: each for each in found["topics"]}
    assert topics[CAPTURES.name]["records"] == 10
    assert topics[CAPTURES.name]["per_minute"] == 2.0
    shown = await installation.done("status")
    assert "Dead letters: none" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["status"], ["lag"], ["inspect", "captures"], ["dlq", "list"]])
async def test_without_kafka_a_sentence_says_so(installation, arguments: list[str]) -> None:
    installation.environ["KAFKA_BOOTSTRAP_SERVERS"] = "127.0.0.1:9"
    answer = await installation.ops(*arguments)
    assert answer.code == 1
    assert "nothing is lost, try again" in answer.err
    assert len(answer.err.splitlines()) <= 3, answer.err
