"""Events to publish, in the transaction that they tell of."""

from collections.abc import Sequence

import msgspec

from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import Event
from attendance_schemas.topics import Topic

SQL = statements("outbox")


class PostgresOutbox:
    """`Outbox` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, topic: Topic, events: Sequence[Event]) -> None:
        """Publish the events once the transaction is committed; those with one key in this order."""
        if not events:
            return
        await self._connection.execute(
            SQL["add"],
            [topic.name] * len(events),
            [topic.key_of(each).decode() for each in events],
            [type(each).__name__ for each in events],
            [msgspec.json.encode(each).decode() for each in events],
        )


class NothingToTell:
    """`Outbox` of those who only repeat what was told when it happened: rebuilds, and explanations."""

    def __init__(self, _connection: Connection) -> None:
        """Take what every adapter of a transaction takes."""

    async def add(self, _topic: Topic, _events: Sequence[Event]) -> None:
        """Tell nobody."""
