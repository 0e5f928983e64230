"""A database that was set back, as by the promotion of a standby that lagged: facts are read again.

And the other way round: a log that ends before the positions is never taken for the one that was consumed.
"""

import asyncio
import json
import signal
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from attendance_projector.errors import PositionsSetBack, TopicReplaced
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_schemas.topics import CORRECTIONS, MATCHES
from attendance_testing.lost_records import delete_before, made_again
from attendance_testing.polling import DEADLINE, eventually
from attendance_testing.projector.cluster import PARTITIONS
from attendance_testing.projector.standby import LaggingStandby
from local_stack.environment import StackEnv
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Record
from service_kit.kafka.topic_ids import TopicIdentity

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
IN, OUT = f"{DAY}T08:00+05:30", f"{DAY}T12:00+05:30"


def captures(plant: Any, count: int) -> list[Record]:
    """Return captures of Asha, each from where the one before ended, as a consumer reads them."""
    records = [
        plant.record(plant.match("asha", f"2026-03-{day:02}T08:00+05:30")) for day in range(1, count + 1)
    ]
    return [replace(each, read_from=each.offset) for each in records]


async def test_a_batch_after_a_promotion_waits_for_the_facts_before_it(plant: Any) -> None:
    records = captures(plant, 11)
    await plant.projector.apply(records[:5])
    standby = await LaggingStandby.of(plant)
    await plant.projector.apply(records[5:10])
    await standby.promote()
    with pytest.raises(PositionsSetBack, match=r"up to 5, and everything up to 10"):
        await plant.projector.apply(records[10:])
    assert await plant.next_offset() == 5
    # Read again from where the tables stand:
    await plant.projector.apply(records[5:])
    assert await plant.sql.fetchval("SELECT count(*) FROM capture") == 11
    assert len(await plant.days("asha")) == 11


async def test_a_dead_letter_after_a_promotion_moves_no_position(plant: Any) -> None:
    records = captures(plant, 3)
    standby = await LaggingStandby.of(plant)
    await plant.projector.apply(records[:2])
    await standby.promote()
    with pytest.raises(PositionsSetBack):
        await plant.projector.pass_over(records[2])
    assert await plant.next_offset() in {None, 0}


async def test_gaps_that_compaction_leaves_are_no_missing_facts(plant: Any) -> None:
    first, second = (plant.record(plant.match("asha", at)) for at in (IN, OUT))
    await plant.projector.apply([replace(first, offset=0, read_from=0)])
    await plant.projector.apply([replace(second, offset=7, read_from=1)])
    assert await plant.next_offset() == 8
    assert await plant.days("asha") == [(DAY, "day", "PRESENT", 240)]


async def test_a_log_whose_beginning_expired_lacks_nothing_that_was_consumed(plant: Any) -> None:
    (record,) = captures(plant, 1)
    await plant.projector.apply([replace(record, offset=100, read_from=0)])
    assert await plant.next_offset() == 101


async def test_records_that_were_applied_are_no_missing_facts(plant: Any) -> None:
    records = captures(plant, 4)
    await plant.projector.apply(records)
    await plant.projector.apply(records[1:3])
    assert await plant.next_offset() == 4


async def test_a_month_that_only_the_old_server_had_is_made_again(plant: Any) -> None:
    """What this process remembers of a server says nothing about the one that took its place."""
    await plant.tell(plant.match("asha", IN))
    await plant.sql.execute("DROP TABLE punch_2026_03, capture_2026_03")
    (record,) = captures(plant, 1)
    with pytest.raises(TransientFailure, match="a month is missing"):
        await plant.projector.apply([record])
    # As a new connection does:
    plant.read_model.forget()
    await plant.projector.apply([record])
    assert await plant.sql.fetchval("SELECT count(*) FROM punch") == 1


async def test_revisions_never_come_again_after_a_promotion(plant: Any) -> None:
    """A follower would take the new state of a day for an old one."""
    newest = await plant.sql.fetchval("SELECT setval('outbox_id_seq', 1000)")
    async with open_read_model(plant.writer_url) as read_model:
        await plant.projector_on(read_model).apply([plant.record(plant.match("asha", IN))])
    assert await plant.sql.fetchval("SELECT min(id) FROM outbox WHERE id > 1000") > newest + 10**12


async def test_a_topic_that_was_made_again_is_refused(plant: Any) -> None:
    first, second = (TopicIdentity("here", uuid4()) for _ in range(2))
    await plant.read_model.positions([], {"a": first})
    await plant.read_model.positions([], {"a": first, "b": second})
    of_first, of_second = (f"{each.topic_id} of cluster here" for each in (first, second))
    with pytest.raises(TopicReplaced, match=rf"a \(was {of_first}, is {of_second}\)"):
        await plant.read_model.positions([], {"a": second, "b": second})


async def test_a_topic_of_another_cluster_is_refused(plant: Any) -> None:
    here, there = (TopicIdentity(cluster, uuid4()) for cluster in ("here", "there"))
    there = there._replace(topic_id=here.topic_id)
    await plant.read_model.positions([], {"a": here})
    with pytest.raises(TopicReplaced, match=f"is {here.topic_id} of cluster there"):
        await plant.read_model.positions([], {"a": there})


async def test_an_idle_service_notices_and_reads_again(plant: Any, cluster: Any) -> None:
    """Nothing comes after what was lost, and so no batch would show that it is missing."""
    process = await cluster.start("run")
    await cluster.publish(plant.match("asha", IN), MATCHES)
    await eventually(lambda: plant.places("asha"))
    standby = await LaggingStandby.of(plant)
    await cluster.publish(plant.match("asha", OUT), MATCHES)

    async def is_complete() -> bool:
        return bool(await plant.days("asha") == [(DAY, "day", "PRESENT", 240)])

    await eventually(is_complete)
    await standby.promote()
    assert not await is_complete()
    await eventually(is_complete)
    assert await plant.sql.fetchval("SELECT count(*) FROM capture") == 2
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_service_under_load_loses_nothing(plant: Any, cluster: Any) -> None:
    process = await cluster.start("run")
    days = [f"2026-03-{number:02}" for number in range(1, 29)]
    for number, day in enumerate(days):
        await cluster.publish(plant.match("asha", f"{day}T08:00+05:30"), MATCHES)
        if number == 9:
            await eventually(lambda: plant.places("asha"))
            standby = await LaggingStandby.of(plant)
        if number == 19:

            async def most_are_there() -> bool:
                return len(await plant.places("asha")) > 15

            await eventually(most_are_there)
            await standby.promote()

    async def all_are_there() -> bool:
        return len(await plant.places("asha")) == len(days)

    await eventually(all_are_there)
    assert await plant.sql.fetchval("SELECT count(*) FROM capture") == len(days)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_positions_beyond_the_log_end_the_service_with_advice(plant: Any, cluster: Any) -> None:
    topic = cluster.prefix + MATCHES.name
    await plant.sql.execute("INSERT INTO consumed_position VALUES ($1, 0, 1000)", topic)
    process = await cluster.start("run", is_heard=True)
    said = await last_words(process)
    assert f"{topic}[0] ends at 0, and everything before 1000 was consumed" in said
    assert "docs/operations/failover.md" in said
    assert await plant.next_offset(topic) == 1000


async def told(cluster: Any, *arguments: str, command: str = "positions") -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    process = await cluster.start(command, *arguments, is_printing=True)
    printed, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
    return process.returncode, printed.decode()


async def test_records_that_were_deleted_unread_end_the_service_until_somebody_accepts_it(
    plant: Any, cluster: Any, stack: StackEnv
) -> None:
    topic = cluster.prefix + CORRECTIONS.name
    first, *deleted, last = (plant.addition("asha", f"2026-03-{day:02}T08:00+05:30") for day in range(2, 7))
    process = await cluster.start("run", is_heard=True)
    await cluster.publish(first, CORRECTIONS)
    await eventually(lambda: plant.places("asha"))
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert (await told(cluster))[0] == 0
    # While nobody consumes:
    for each in (*deleted, last):
        await cluster.publish(each, CORRECTIONS)
    partition, next_offset = await plant.sql.fetchrow(
        "SELECT partition, next_offset FROM consumed_position WHERE topic = $1 AND next_offset > 0", topic
    )
    assert next_offset == 1
    await delete_before(stack.kafka_bootstrap_servers, topic, partition, 4)
    said = await last_words(await cluster.start("run", is_heard=True))
    assert (
        f"{topic}[{partition}] begins at 4, and 1 comes next: 3 records were deleted before they were" in said
    )
    assert len(await plant.places("asha")) == 1
    code, printed = await told(cluster)
    assert code == 1
    assert f"{topic}[{partition}] at 1: 3 records were deleted before they were consumed" in printed
    code, printed = await told(cluster, "--accept-loss", "--json")
    assert code == 0
    states = {(each["topic"], each["partition"]): each["state"] for each in json.loads(printed)["positions"]}
    assert {key for key, state in states.items() if state != "fits"} == {(topic, partition)}
    process = await cluster.start("run")

    async def last_is_there() -> bool:
        return len(await plant.places("asha")) == 2

    await eventually(last_is_there)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_topic_that_was_made_again_ends_a_service_at_its_start(
    plant: Any, cluster: Any, stack: StackEnv
) -> None:
    topic = cluster.prefix + MATCHES.name
    process = await cluster.start("run", is_heard=True)
    await cluster.publish(plant.match("asha", IN), MATCHES)
    await eventually(lambda: plant.places("asha"))
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    before, after = await made_again(topic, cluster.prefix, stack, partitions=PARTITIONS)

    async def both_are_there() -> bool:
        return len(await plant.places("asha")) == 2

    said = await last_words(await cluster.start("run", is_heard=True))
    assert (await told(cluster))[0] == 1
    assert (await told(cluster, "--accept-loss"))[0] == 0
    process = await cluster.start("run")
    await cluster.publish(plant.match("asha", OUT), MATCHES)
    await eventually(both_are_there)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert f"{topic} (was {before} of cluster" in said
    assert f"is {after} of cluster" in said
    assert "docs/operations/failover.md" in said


async def test_a_topic_that_is_made_again_ends_a_service_that_runs(
    plant: Any, cluster: Any, stack: StackEnv
) -> None:
    process = await cluster.start("run", is_heard=True)
    await cluster.publish(plant.match("asha", IN), MATCHES)
    await eventually(lambda: plant.places("asha"))
    await made_again(cluster.prefix + MATCHES.name, cluster.prefix, stack, partitions=PARTITIONS)
    said = await last_words(process)
    assert "docs/operations/failover.md" in said


async def last_words(process: Any) -> str:
    """Return the last line of the log of a process that ends by itself, with an error."""
    _, errors = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    lines = [line for line in errors.decode().strip().splitlines() if line.startswith("{")]
    return json.dumps(json.loads(lines[-1]))


async def test_a_clock_that_was_ahead_is_set_back_by_a_record(plant: Any, cluster: Any) -> None:
    process = await cluster.start("run")
    as_of = "SELECT as_of FROM clock"
    await eventually(lambda: plant.sql.fetchval(as_of))
    await plant.sql.execute("UPDATE clock SET as_of = now() + interval '400 days'")
    code, printed = await told(cluster, command="clock")
    assert code == 0
    assert "399 days" in printed
    assert "ahead of this machine" in printed
    assert (await told(cluster, "--reset", command="clock"))[0] == 2
    reset = ("--reset", "--reason", "a broker was ahead", "--by", "ops")
    assert (await told(cluster, *reset, command="clock"))[0] == 0
    await eventually(lambda: plant.sql.fetchval("SELECT as_of <= now() FROM clock"))
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
