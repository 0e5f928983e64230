"""Replays by the command alone: what is planned is what arrives, also when the process is killed."""

import asyncio
import json
import os
import random
import signal
from asyncio.subprocess import Process
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from attendance_ops.log.positions import PROJECTION
from attendance_ops.replay.plan import NEEDS_TWO_ABOVE
from attendance_ops.replay.run import BATCH
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import DIRECTORY, MATCHES, PUNCHES
from attendance_testing.lost_records import made_again
from attendance_testing.polling import eventually

pytestmark = pytest.mark.integration

GOLDEN = {name: event for name, event, _ in golden_examples()}
KILLS = int(os.environ.get("REPLAY_KILLS", "3"))


async def planned(installation, folder: Path, *arguments: object) -> tuple[Path, dict]:
    file = folder / "plan.json"
    answer = await installation.done("replay", "plan", *arguments, "--out", file, "--json")
    assert json.loads(answer.out) == json.loads(file.read_text())
    return file, json.loads(answer.out)


async def test_a_plan_says_what_then_happens(installation, tmp_path: Path) -> None:
    await installation.publish_matches(40, (("correlation-id", b"abc"),))
    before = await installation.records(MATCHES.name)
    file, plan = await planned(installation, tmp_path, "matches", "--where", "device=gate-1")
    assert (plan["count"], plan["looked_at"], plan["target"]) == (10, 40, MATCHES.name)
    assert sum(bar["count"] for bar in plan["histogram"]) == 10
    # What comes after the plan is not in it.
    await installation.publish_matches(4)
    assert (await installation.ops("replay", "run", file)).code == 2  # nobody can be asked
    ran = (await installation.done("replay", "run", file, "--yes", "--json")).json()
    assert (ran["state"], ran["published"], ran["set_aside"]) == ("DONE", 10, 0)

    after = await installation.records(MATCHES.name)
    again = [each for each in after if dict(each.headers).get("replay-job") == ran["job"].encode()]
    places = {(each.partition, each.offset): each for each in before}
    assert len(again) == 10
    for each in again:
        headers = dict(each.headers)
        _, partition, offset = headers["replay-origin"].decode().split(":")
        origin = places[int(partition), int(offset)]
        assert (each.key, each.value, each.partition) == (origin.key, origin.value, origin.partition)
        assert headers["correlation-id"] == b"abc"
    balance = (await installation.done("replay", "verify", ran["job"], "--json")).json()
    assert (balance["published"], balance["twice"], balance["unread"]) == (10, 0, 10)
    over = await installation.ops("replay", "run", file, "--yes")
    assert (over.code, "is over" in over.err) == (2, True)
    (listed,) = (await installation.done("replay", "list", "--json")).json()
    assert (listed["state"], listed["published"], listed["planned"]) == ("DONE", 10, 10)


async def test_one_line_does_all_of_it(installation) -> None:
    await installation.publish(PUNCHES, [GOLDEN["PunchSubmitted/badge"]])
    answer = await installation.done("replay", "punches", "--from", "10m", "--yes", "--json")
    assert answer.json()["published"] == 1
    assert answer.json()["balances"]
    nothing = await installation.ops("replay", "punches", "--to", "1d", "--yes")
    assert (nothing.code, "nothing is selected" in nothing.err) == (2, True)
    never = await installation.ops("replay", "directory", "--yes")
    assert (never.code, "bring back what was replaced" in never.err) == (2, True)
    assert not await installation.records(DIRECTORY.name)


async def test_a_killed_replay_goes_on_and_balances(installation, tmp_path: Path) -> None:
    count, chance = min(1000 * KILLS, NEEDS_TWO_ABOVE), random.Random(7)
    await installation.publish_matches(count)
    file, plan = await planned(installation, tmp_path, "matches")
    run = ("replay", "run", file, "--yes", "--rate", 150)
    for _ in range(KILLS):
        process = await installation.start(*run)
        seen = len(await installation.records(MATCHES.name))

        async def has_published(seen: int = seen, process: Process = process) -> bool:
            assert process.returncode is None, await process.communicate()
            return len(await installation.records(MATCHES.name)) > seen

        await eventually(has_published)
        await asyncio.sleep(2 * chance.random())  # anywhere between two checkpoints
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    await installation.done("replay", "run", file, "--yes", "--rate", 100_000)
    balance = (await installation.done("replay", "verify", plan["plan_id"], "--json")).json()
    assert (balance["published"], balance["balances"]) == (count, True), balance
    # What was on its way to the broker when the process was killed may arrive after the next one has looked.
    assert balance["twice"] <= KILLS * BATCH
    assert len(await installation.records(MATCHES.name)) == 2 * count + balance["twice"]


async def test_a_replay_is_paused_goes_on_and_is_cancelled(installation, tmp_path: Path) -> None:
    count = 5000
    await installation.publish_matches(count)
    file, plan = await planned(installation, tmp_path, "matches")
    for command, state in (("pause", "PAUSED"), ("cancel", "CANCELLED")):
        seen = len(await installation.records(MATCHES.name))
        running = await installation.start("replay", "run", file, "--yes", "--json", "--rate", 20)

        async def has_published(seen: int = seen) -> bool:
            return len(await installation.records(MATCHES.name)) > seen

        try:
            await eventually(has_published)
            await installation.done("replay", command, plan["plan_id"])
            out, err = await running.communicate()
        finally:
            if running.returncode is None:
                running.kill()
                await running.communicate()
        assert json.loads(out)["state"] == state, err
    published = json.loads(out)["published"]
    assert 0 < published < count
    balance = await installation.ops("replay", "verify", plan["plan_id"], "--json")
    assert (balance.code, balance.json()["published"], balance.json()["twice"]) == (1, published, 0)


async def test_many_records_need_a_second_person(installation, tmp_path: Path) -> None:
    await installation.publish(MATCHES, [GOLDEN["MatchDecided/identified"]] * 10_001)
    file, plan = await planned(installation, tmp_path, "matches")
    run = ("replay", "run", file, "--yes", "--rate", 100_000)
    alone = await installation.ops(*run)
    assert (alone.code, "need a second person" in alone.err) == (2, True)
    own = await installation.ops("replay", "approve", file, "--yes")
    assert (own.code, "somebody else has to approve" in own.err) == (2, True)
    await installation.as_operator("tomas on ops-2").done("replay", "approve", file, "--yes")
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(plan | {"made_by": "tomas on ops-2"}))
    other = await installation.ops("replay", "run", changed, "--yes")
    assert (other.code, "was changed since" in other.err) == (2, True)
    await installation.done(*run)


async def test_a_topic_that_was_made_again_is_another_one(
    installation, stack, topic_prefix, tmp_path
) -> None:
    await installation.publish_matches(3)
    file, _ = await planned(installation, tmp_path, "matches")
    await made_again(installation.kafka.topic(MATCHES.name), topic_prefix, stack, partitions=3)
    answer = await installation.ops("replay", "run", file, "--yes")
    assert (answer.code, "made again" in answer.err) == (2, True)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 2}'])
async def test_a_file_that_is_no_plan_is_refused(installation, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "plan.json"
    file.write_bytes(content)
    answer = await installation.ops("replay", "run", file, "--yes")
    assert (answer.code, "no plan of this version" in answer.err) == (2, True)


async def test_a_record_that_goes_round_is_set_aside(installation) -> None:
    await installation.publish_matches(1, (("replay-attempt", b"3"), ("replay-job", b"x")))
    await installation.publish_matches(2)
    answer = (await installation.done("replay", "matches", "--yes", "--json")).json()
    assert (answer["published"], answer["set_aside"], answer["balances"]) == (2, 1, True)


async def test_two_who_run_one_plan_at_once_publish_each_record_once(installation, tmp_path: Path) -> None:
    count = 1500
    await installation.publish_matches(count)
    file, plan = await planned(installation, tmp_path, "matches")
    run = ("replay", "run", file, "--yes", "--rate", 250)
    first = await installation.start(*run)

    async def has_published() -> bool:
        return len(await installation.records(MATCHES.name)) > count

    await eventually(has_published)
    second = await installation.start(*run)
    ends = [(await each.communicate(), each.returncode) for each in (first, second)]
    assert sorted(code for _, code in ends) == [0, 2], ends
    assert sum(b"runs this replay now; this process stops" in err for (_, err), _ in ends) == 1
    balance = (await installation.done("replay", "verify", plan["plan_id"], "--json")).json()
    assert (balance["published"], balance["twice"], balance["balances"]) == (count, 0, True)


@pytest.mark.parametrize("count", [9, 11])
async def test_no_more_is_published_than_a_file_counts(installation, tmp_path: Path, count: int) -> None:
    await installation.publish_matches(10)
    file, plan = await planned(installation, tmp_path, "matches")
    file.write_text(json.dumps(plan | {"count": count, "looked_at": 11, "histogram": [bar_of(plan, count)]}))
    answer = await installation.ops("replay", "run", file, "--yes", "--json")
    assert (answer.code, answer.json()["state"], "is selected than" in answer.err) == (1, "FAILED", True)
    assert len(await installation.records(MATCHES.name)) == 10 + min(10, answer.json()["published"])
    assert answer.json()["published"] <= count
    verified = await installation.ops("replay", "verify", plan["plan_id"])
    assert (verified.code, "plan what is missing anew" in verified.err) == (1, True)


def bar_of(plan: dict, count: int) -> dict:
    return {"since": plan["first_at"], "count": count}


@pytest.mark.parametrize(
    ("span", "told"),
    [({"partition": 7, "first": 0, "end": 1}, "has no partition 7"), ({"end": 10**9}, "ends at 0")],
)
async def test_a_plan_past_its_topic_is_refused_at_once(installation, tmp_path, span, told) -> None:
    await installation.publish_matches(1)
    file, plan = await planned(installation, tmp_path, "matches")
    empty = next(number for number in range(3) if number != plan["spans"][0]["partition"])
    file.write_text(json.dumps(plan | {"spans": [{"partition": empty, "first": 0} | span]}))
    answer = await installation.ops("replay", "run", file, "--yes")
    assert (answer.code, told in answer.err) == (2, True), answer.err
    assert (await installation.done("replay", "list", "--json")).json() == []


async def test_what_was_approved_may_be_cancelled_before_it_begins(installation, tmp_path: Path) -> None:
    await installation.publish_matches(2)
    file, plan = await planned(installation, tmp_path, "matches")
    other = installation.as_operator("tomas on ops-2")
    await other.done("replay", "approve", file, "--yes")
    pause = await installation.ops("replay", "pause", plan["plan_id"])
    assert (pause.code, "did not begin" in pause.err) == (2, True)
    await installation.done("replay", "cancel", plan["plan_id"])
    for command in (("run", file, "--yes"), ("approve", file, "--yes"), ("cancel", plan["plan_id"])):
        answer = await other.ops("replay", *command)
        assert (answer.code, "is over" in answer.err) == (2, True), answer.err
    assert len(await installation.records(MATCHES.name)) == 2


async def test_dead_letters_go_to_a_side_topic_or_by_redrive(installation, stack, tmp_path: Path) -> None:
    punch = installation.encoded(GOLDEN["PunchSubmitted/badge"], PUNCHES)
    await installation.bury(punch, "fails-alone", "no")
    await installation.bury(punch, "image-missing", "no")
    refused = await installation.ops("replay", "plan", "punches.dlq", "--out", tmp_path / "no.json")
    assert (refused.code, "attendance-ops dlq redrive" in refused.err) == (2, True)
    side = f"{installation.kafka.topic_prefix}side"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(side, 1, 1)])
    await admin.close()
    chosen = ("punches.dlq", "--to-topic", side, "--dead-because", "fails-alone")
    file, plan = await planned(installation, tmp_path, *chosen)
    assert plan["count"] == 1
    await installation.done("replay", "run", file, "--yes")
    told = await installation.done("replay", "verify", plan["plan_id"])
    assert "handled 0" in told.out
    assert f"no service of ours reads {side}" in told.out


async def test_a_replay_waits_for_a_reader_that_is_behind(installation, tmp_path: Path) -> None:
    kafka, count = installation.kafka, 300
    await installation.publish_matches(count)
    file, _ = await planned(installation, tmp_path, "matches")
    consumer = AIOKafkaConsumer(
        group_id=kafka.group(PROJECTION), enable_auto_commit=False, **kafka.client_options()
    )
    await consumer.start()
    partitions = [TopicPartition(kafka.topic(MATCHES.name), number) for number in range(3)]
    consumer.assign(partitions)
    await consumer.commit(dict.fromkeys(partitions, 0))
    running = await installation.start(
        "replay", "run", file, "--yes", "--json", "--rate", 10, "--most-behind", 10
    )
    try:
        async with asyncio.timeout(60):
            told = await running.stderr.readline()
        assert b"waiting now and then: attendance-projector is" in told
        assert len(await installation.records(MATCHES.name)) < 2 * count
        ended = asyncio.create_task(running.communicate())
        while not ended.done():
            await consumer.commit(await consumer.end_offsets(partitions))  # the reader reads on
            await asyncio.wait([ended], timeout=0.2)
        out, err = await ended
    finally:
        await consumer.stop()
        if running.returncode is None:
            running.kill()
    assert (running.returncode, json.loads(out)["published"]) == (0, count), err
