"""Dead letters from the first look to the last decision, by the command alone."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

import msgspec
import pytest

from attendance_ops.dead_letters.settle import BATCH, IS_CUT
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, DIRECTORY, PUNCHES
from service_kit.dead_letters.letters import Origin, dead_letter_headers
from service_kit.kafka.bounded_reading import PATIENCE
from service_kit.kafka.records import OutgoingRecord

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}


def capture(number: int = 0):
    return msgspec.structs.replace(
        GOLDEN["CaptureReceived/live"], event_id=uuid4(), capture_id=uuid4(), device_id=f"gate-{number}"
    )


async def test_letters_are_grouped_redriven_and_discarded_for_good(installation) -> None:
    headers = (("correlation-id", b"abc"), ("traceparent", b"00-1"))
    records = [installation.encoded(capture(number), CAPTURES, headers) for number in range(6)]
    for number, record in enumerate(records):
        await installation.bury(record, "image-missing", f"no object captures/{number}", offset=number)
    await installation.bury(
        OutgoingRecord(installation.kafka.topic(PUNCHES.name), b"acme:7", b"no Avro"),
        "undecodable",
        "the value is not Avro in Confluent framing",
    )
    groups = (await installation.done("dlq", "list", "--json")).json()
    assert {(each["topic"], each["label"], each["waiting"]) for each in groups} == {
        (CAPTURES.name, "image-missing", 6),
        (PUNCHES.name, "not-avro", 1),
    }
    redrive = ("dlq", "redrive", "--topic", "captures", "--label", "image-missing", "--reason", "restored")
    assert (await installation.ops(*redrive)).code == 2  # nobody can be asked
    assert (await installation.done(*redrive, "--dry-run", "--json")).json()["would_send"] == 6
    assert await installation.records(CAPTURES_BACKLOG.name) == []
    sent = (await installation.done(*redrive, "--limit", 4, "--yes", "--json")).json()
    assert (sent["sent"], sent["left"]) == (4, {})

    arrived = await installation.records(CAPTURES_BACKLOG.name)
    assert {each.value for each in arrived} <= {each.value for each in records}
    assert len(arrived) == 4
    for each in arrived:
        found = dict(each.headers)
        assert found["correlation-id"] == b"abc"
        assert found["replay-job"].decode() == sent["job"]
        assert found["replay-attempt"] == b"1"
        assert not any(name.startswith("dlq-") for name in found)

    discarded = ("dlq", "discard", "--topic", "captures", "--yes")
    assert (await installation.ops(*discarded, "--reason", " ")).code == 2
    await installation.done(*discarded, "--reason", "test images")
    # It outlives new arrivals, and another process.
    await installation.bury(records[0], "image-missing", "no object captures/0")
    (group, _) = (await installation.done("dlq", "list", "--json")).json()
    assert (group["waiting"], group["redriven"], group["discarded"]) == (1, 4, 2)
    states = ("dlq", "show", "--topic", "captures", "--state", "discarded", "--json")
    shown = (await installation.done(*states)).json()
    assert {(each["settled_by"], each["settled_because"]) for each in shown} == {
        ("meera on ops-1", "test images")
    }
    assert (await installation.ops(*redrive, "--where", "device=gate-5", "--yes")).code == 1


async def test_what_cannot_be_read_yet_or_goes_round_stays(installation) -> None:
    name = installation.kafka.topic(PUNCHES.name)
    await installation.bury(OutgoingRecord(name, b"acme:7", b"no Avro at all"), "undecodable", "framing")
    again = (("replay-job", b"j"), ("replay-origin", b"a:0:1"), ("replay-attempt", b"3"))
    await installation.bury(installation.encoded(GOLDEN["PunchSubmitted/badge"], PUNCHES, again))
    answer = await installation.ops("dlq", "redrive", "--reason", "try", "--yes", "--json")
    assert answer.code == 1
    left = answer.json()["left"]
    assert answer.json()["sent"] == 0
    assert len(left) == 2
    assert sum(left.values()) == 2
    assert await installation.records(PUNCHES.name) == []


async def test_a_letter_is_edited_by_its_schema(installation) -> None:
    punch = GOLDEN["PunchSubmitted/badge"]
    place = await installation.bury(installation.encoded(punch, PUNCHES), "fails-alone", "no such site")
    edit = ("dlq", "edit", place, "--reason", "renamed", "--yes")
    for wrong, told in (("colour=red", "has no field colour"), ("occurred_at=soon", "does not fit")):
        answer = await installation.ops(*edit, "--set", wrong)
        assert (answer.code, told in answer.err) == (2, True), answer.err
    await installation.done(*edit, "--set", "site=pune-2", "--set", "reason=null")
    (record,) = await installation.records(PUNCHES.name)
    event = await installation.codec.decode(record.value)
    assert event == msgspec.structs.replace(punch, site_id="pune-2", reason=None)
    assert record.key == PUNCHES.key_of(punch)
    assert (await installation.ops(*edit, "--set", "site=pune-3")).code == 1  # it waits no more


async def test_a_cut_letter_is_sent_from_its_origin(installation) -> None:
    record = installation.encoded(capture(), CAPTURES)
    position = await installation.producer.send(record)
    whole = (
        ("dlq-original-bytes", str(len(record.value)).encode()),
        ("dlq-original-sha256", sha256(record.value).hexdigest().encode()),
    )
    cut = OutgoingRecord(record.topic, record.key, record.value[:20], whole)
    for offset in (position.next_offset - 1, position.next_offset - 1 + 1000):
        origin = Origin("x", "y", 1, record.topic, position.partition, offset, "s", "1", datetime.now(UTC))
        await installation.producer.send(
            OutgoingRecord(f"{record.topic}.dlq", cut.key, cut.value, (*dead_letter_headers(origin), *whole))
        )
    answer = await installation.ops("dlq", "redrive", "--reason", "fixed", "--yes", "--json")
    assert (answer.code, answer.json()["sent"]) == (1, 1)
    (arrived,) = await installation.records(CAPTURES_BACKLOG.name)
    assert arrived.value == record.value


@pytest.mark.parametrize(
    "place", [("attendance.punches", 0, 0), ("nowhere", 0, 0), (None, 9, 0), (None, 0, 99)]
)
async def test_a_cut_letter_takes_its_whole_from_its_own_topic_alone(installation, place) -> None:
    topic, partition, offset = place
    own = installation.kafka.topic(CAPTURES.name)
    named = own if topic is None else topic if topic == "nowhere" else installation.kafka.topic(topic)
    await installation.publish(PUNCHES, [GOLDEN["PunchSubmitted/badge"]] * 3)
    checksum = ("dlq-original-sha256", sha256(b"").hexdigest().encode())
    origin = Origin("x", "y", 1, named, partition, offset, "s", "1", datetime.now(UTC))
    headers = (*dead_letter_headers(origin), checksum)
    await installation.producer.send(OutgoingRecord(f"{own}.dlq", b"k", b"cut", headers))
    began = time.monotonic()
    answer = await installation.ops("dlq", "redrive", "--reason", "fixed", "--yes", "--json")
    assert (answer.code, list(answer.json()["left"])) == (1, [IS_CUT])
    assert time.monotonic() - began < PATIENCE.total_seconds()


async def test_two_who_redrive_at_once_share_or_one_stops(installation) -> None:
    record = installation.encoded(capture(), CAPTURES)
    for offset in range(5 * BATCH):
        await installation.bury(record, offset=offset)
    redrive = ("dlq", "redrive", "--reason", "mended", "--yes", "--rate", 100)
    both = [await installation.start(*redrive) for _ in range(2)]
    ends = [(await each.communicate(), each.returncode) for each in both]
    for (out, err), code in ends:
        assert (code, b"somebody else meanwhile" in out, b"sends these letters now" in err) in (
            (0, False, False),
            (1, True, False),
            (2, False, True),
        ), ends
    arrived = len(await installation.records(CAPTURES_BACKLOG.name))
    assert 5 * BATCH <= arrived <= 6 * BATCH, ends
    assert (await installation.done("dlq", "list", "--json")).json()[0]["waiting"] == 0


async def test_what_will_come_back_is_warned_of(installation) -> None:
    name = installation.kafka.topic(CAPTURES.name)
    for value in (b"", b"no Avro"):
        await installation.bury(OutgoingRecord(name, b"k", value), "undecodable", "Confluent framing")
    answer = await installation.done("dlq", "redrive", "--reason", "try", "--dry-run")
    assert "rather discard them: 2 not-avro" in answer.out


async def test_what_is_printed_cannot_look_like_another_line(installation) -> None:
    punch = msgspec.structs.replace(GOLDEN["PunchSubmitted/badge"], device_id="g\n\x1b[2Jx")
    record = installation.encoded(punch, PUNCHES, (("producer", b"a\nb"),))
    await installation.bury(record, "fails-alone", "first\nsecond \x1b[31m")
    for command in (("dlq", "show"), ("inspect", "punches.dlq")):
        shown = await installation.done(*command)
        assert "\x1b" not in shown.out
        assert r"first\nsecond" in shown.out


async def test_a_letter_that_never_goes_again_holds_up_no_other(installation) -> None:
    await installation.bury(installation.encoded(GOLDEN["SiteRecorded/pune"], DIRECTORY))
    await installation.bury(installation.encoded(capture(), CAPTURES))
    redrive = ("dlq", "redrive", "--reason", "mended", "--json")
    assert (await installation.done(*redrive, "--dry-run")).json()["would_send"] == 1
    answer = await installation.ops(*redrive, "--yes")
    assert (answer.code, answer.json()["sent"], sum(answer.json()["left"].values())) == (1, 1, 1)
    assert len(await installation.records(CAPTURES_BACKLOG.name)) == 1
    assert await installation.records(DIRECTORY.name) == []


async def test_nothing_of_the_directory_goes_again(installation) -> None:
    place = await installation.bury(installation.encoded(GOLDEN["SiteRecorded/pune"], DIRECTORY))
    answer = await installation.ops("dlq", "redrive", place, "--reason", "try", "--yes")
    assert (answer.code, "bring back what was replaced" in answer.err) == (2, True)
    told = (await installation.done("dlq", "diagnose", place, "--json")).json()
    assert (told["reads_now"], told["target"]) == (True, None)
