"""Faust's thread around aiokafka's consumer, as the hardened consumer needs it: seeks, errors, short fetches.

Its coroutines run on the thread's own loop. Written against the version that `faust_hardened_consumer` names.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, ensure_aiokafka_TP
from faust.types import TP

from recognition_worker.errors import ConsumerBroken
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

# One fetch returns when there is something, or after this. A seek waits for the fetch under way, so it is
# short.
FETCH_WAIT = 0.25
_ANSWER_LIMIT = 2.0

T = TypeVar("T")


class QuickThread(AIOKafkaConsumerThread):
    """Faust's thread around aiokafka. Its coroutines run on the thread's own loop: `on_loop`.

    Defect: its fetches wait 1.5 s, during which a new partition is not served.
    """

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = int(FETCH_WAIT * 1000)
        return consumer

    async def on_loop(self, work: Coroutine[None, None, T]) -> T:
        """Do something on the thread's loop, beside what is queued for it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.thread_loop))

    async def go_to(self, starts: Mapping[TP, int]) -> None:
        """Seek, and forget what was found out about earlier positions."""
        await self.on_loop(self._go_to({ensure_aiokafka_TP(tp): offset for tp, offset in starts.items()}))

    async def _go_to(self, starts: Mapping[Any, int]) -> None:
        fetcher = self._ensure_consumer()._fetcher
        for tp, offset in starts.items():
            fetcher.seek_to(tp, offset)
            if isinstance(fetcher._records.get(tp), FetchError):
                del fetcher._records[tp]
        fetcher._notify(fetcher._wait_consume_future)

    async def check_coordinator(self) -> None:
        """Take the error that the coordinator holds, tell it, and have the coordinator join again."""
        coordinator = self._ensure_consumer()._coordinator
        if coordinator is None:
            return  # the consumer is still starting
        if (keeping := coordinator._coordination_task).done():
            why = "it was cancelled" if keeping.cancelled() else repr(keeping.exception())
            raise ConsumerBroken(f"what kept the membership of {coordinator.group_id} has ended: {why}")
        try:
            coordinator.check_errors()
        except KafkaError as error:
            log.error(  # noqa: TRY400 - it is Kafka's answer, and no bug
                "Kafka keeps this worker out of its group; it tries again",
                group=coordinator.group_id,
                error=repr(error),
            )
            coordinator.request_rejoin()

    async def kafka_answers(self) -> bool:
        """Ask for the cluster's metadata."""
        try:
            async with asyncio.timeout(_ANSWER_LIMIT):
                await self._ensure_consumer()._client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError):
            return False
        return True
