"""Follow attendance.changes and hold every day as it stands; copy and keep the days where you need them."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer

from attendance_schemas.codec import Codec
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import CHANGES
from service_kit.settings import KafkaSettings, SchemaRegistrySettings

Day = tuple[str, str, str, str]


async def follow(group: str) -> None:
    """Tell every change that is news, and only then commit."""
    kafka, revisions = KafkaSettings.load(), dict[Day, int]()
    registry = SchemaRegistrySettings.load()
    async with (
        SchemaRegistry(registry.url, registry.tls()) as schemas,
        AIOKafkaConsumer(
            kafka.topic(CHANGES.name),
            group_id=kafka.group(group),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **kafka.client_options(),
        ) as consumer,
    ):
        codec = Codec(schemas)
        async for record in consumer:
            event = await codec.decode(record.value)
            if isinstance(event, AttendanceDayChanged):
                day = (event.org_id, event.person_id, str(event.attendance_on), event.shift_id)
                if event.revision > revisions.get(day, 0):
                    revisions[day] = event.revision
                    tell(event)
            await consumer.commit()


def tell(event: AttendanceDayChanged) -> None:
    """Store event.day and the revision here, or take the day away when it is None."""
    state = f"{event.day.status}, {event.day.worked_minutes} minutes" if event.day else "gone"
    line = f"{event.change} {event.person_id} {event.attendance_on} {event.shift_id}: {state}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1] if len(sys.argv) > 1 else "change-follower"))
