"""One worker of the churn test: the real Faust runner with a handler that republishes what it gets."""

import argparse
import asyncio
import os
import random
import sys

from recognition_worker.adapters.faust.faust_app import FaustRunner, Feed
from service_kit.backoff import Backoff
from service_kit.errors import DeliveryStopped, TransientFailure
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.observing.logs import configure_logging
from service_kit.run import run
from service_kit.settings import KafkaSettings


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rebalance-delay", type=float, default=0.0)
    parser.add_argument("--work", type=float, default=0.03, help="the longest work on one record, seconds")
    parser.add_argument("--fail-on", type=str.encode, help="the record whose handler has a bug")
    parser.add_argument("--crash-after", type=float, help="seconds until a part of Faust crashes")
    parser.add_argument("--wait-on", type=str.encode, help="the record whose dependency is away")
    options = parser.parse_args()
    kafka = KafkaSettings.load()
    configure_logging("churn", "INFO", json=False)

    async def serve(stopping: asyncio.Event) -> int:
        async with RecordProducer(kafka) as producer:

            async def republish(record: Record, ended: asyncio.Event) -> None:
                await asyncio.sleep(random.uniform(0.001, options.work))
                if record.value == options.fail_on:
                    raise ZeroDivisionError("a bug")
                if record.value == options.wait_on:
                    await ended.wait()
                    raise DeliveryStopped("the dependency is still away")
                backoff = Backoff()
                while True:
                    try:
                        await producer.send(OutgoingRecord(kafka.topic("out"), record.value, record.value))
                    except TransientFailure:
                        if ended.is_set():
                            raise DeliveryStopped("revoked") from None
                        await asyncio.sleep(backoff.next_delay().total_seconds())
                    else:
                        return

            feeds = [
                Feed("live", (kafka.topic("live"),), republish),
                Feed("backlog", (kafka.topic("backlog"),), republish),
            ]
            runner = FaustRunner(kafka, kafka.group("churn"), feeds)
            if options.rebalance_delay:
                delay_rebalances(runner, options.rebalance_delay)
            if options.crash_after:
                crashing = asyncio.create_task(crash(runner, options.crash_after))
                crashing.add_done_callback(lambda task: task.result())
            await runner.run(stopping)
        return 0

    return run(serve)


async def crash(runner: FaustRunner, after: float) -> None:
    await asyncio.sleep(after)
    await runner._app.hardened._thread.crash(RuntimeError("Faust is broken"))


def delay_rebalances(runner: FaustRunner, longest: float) -> None:
    async def hold_up(*_args: object, **_kwargs: object) -> None:
        await asyncio.sleep(random.uniform(0.3, 1.0) * longest)

    app = runner._app
    for signal in (app.on_partitions_assigned, app.on_rebalance_complete):
        signal.connect(hold_up, weak=False)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
