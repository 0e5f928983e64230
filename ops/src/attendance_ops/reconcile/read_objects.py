"""What the object store holds: listed once, and asked again by key for what a listing did not have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from attendance_ops.reconcile.facts import (
    CAPTURE,
    Window,
    identity_of,
    instant_of_micros,
    kept_for,
    micros,
)
from attendance_ops.reconcile.ledger import Ledger, UnpublishedRow
from attendance_schemas.acceptance import (
    ACCEPTED,
    CAPTURES,
    UnreadableAcceptance,
    accepted_key,
    decode_accepted,
    identity_of_key,
)
from attendance_schemas.events import CaptureReceived, Event
from service_kit.errors import ObjectNotFound
from service_kit.settings import ObjectStoreSettings
from service_kit.side_by_side import side_by_side
from service_kit.state.object_store import ObjectStore

AT_ONCE = 16
PAGE = 1000
TIMEOUT = timedelta(seconds=30)
"""A page of a large listing takes longer than one object."""
SLACK = timedelta(hours=1)
"""So much earlier than a record its objects may be; what is earlier still is asked for by its key."""
LONGEST_PROBLEM = 200


@dataclass(frozen=True, slots=True)
class Objects:
    """The bucket of an installation, to read from."""

    store: ObjectStore
    bucket: str

    async def event(self, org_id: str, identity: UUID) -> Event:
        """Return what an id was first accepted as. Raises UnreadableAcceptance, ObjectNotFound."""
        return decode_accepted(await self.store.get(self.bucket, accepted_key(org_id, identity)))


@asynccontextmanager
async def open_objects(settings: ObjectStoreSettings) -> AsyncIterator[Objects]:
    """Give the bucket of the settings."""
    store = ObjectStore(settings, timeout=TIMEOUT, threads=AT_ONCE + 2)
    try:
        await store.check(settings.bucket)
        yield Objects(store, settings.bucket)
    finally:
        await store.close()


async def list_objects(objects: Objects, ledger: Ledger, window: Window) -> int:
    """Put what is stored into the ledger; return how many objects there are."""
    counts = await asyncio.gather(
        _list(objects, ledger, window, ACCEPTED, "accepted"),
        _list(objects, ledger, window, CAPTURES, "image"),
    )
    return sum(counts)


async def _list(objects: Objects, ledger: Ledger, window: Window, prefix: str, table: str) -> int:
    count, since = 0, window.since - SLACK
    async with aclosing(objects.store.pages(objects.bucket, prefix)) as pages:
        async for page in pages:
            count += len(page)
            rows, strangers = [], []
            for each in page:
                if each.modified_at < since:
                    continue
                named, at = identity_of_key(each.key), micros(each.modified_at)
                if named is None:
                    strangers.append((each.key, at))
                else:
                    rows.append((named[0], named[1].bytes, at))
            ledger.add(table, rows)
            ledger.add("stranger", strangers)
    return count


async def read_unpublished(objects: Objects, ledger: Ledger, window: Window) -> None:
    """Read what was accepted and is on no topic."""
    for page in ledger.pages("SELECT org, id, at FROM without_event", PAGE):
        rows = await side_by_side(lambda row: _describe(objects, window, *row), page, at_once=AT_ONCE)
        ledger.add("unpublished", [row for row in rows if row is not None])


async def _describe(objects: Objects, window: Window, org: str, raw: bytes, at: int) -> UnpublishedRow | None:
    """Return the row of an acceptance; None: it repeats one that lies under another id."""
    identity = UUID(bytes=raw)
    nothing = UnpublishedRow(org, raw, at)
    try:
        event = await objects.event(org, identity)
    except (UnreadableAcceptance, ObjectNotFound) as error:
        return nothing._replace(problem=str(error)[:LONGEST_PROBLEM])
    own = identity_of(event)
    if own is None or event.org_id != org:
        return nothing._replace(problem="it holds no fact of its organisation and id")
    # An addition lies under the id of its punch, too.
    return None if own != identity else _row(nothing, event, window)


def _row(row: UnpublishedRow, event: Event, window: Window) -> UnpublishedRow:
    kind = type(event).__name__
    kept = kept_for(kind)
    return row._replace(
        kind=kind,
        occurred_at=micros(event.occurred_at),
        device=getattr(event, "device_id", None),
        sequence=getattr(event, "device_sequence", None),
        image_key=event.image.key if isinstance(event, CaptureReceived) else None,
        is_expired=kept is not None and instant_of_micros(row.at) < window.now - kept + timedelta(days=1),
    )


_WITHOUT_IMAGE = """
SELECT {table}.org, {table}.id, {table}.image_key FROM {table}
WHERE {table}.kind = '{capture}' {judged} AND {table}.image_key IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM image WHERE image.org = {table}.org AND image.id = {table}.id)
"""
_WITHOUT_ACCEPTANCE = (
    "SELECT org, id, NULL FROM fact WHERE is_judged AND NOT EXISTS "
    "(SELECT 1 FROM accepted WHERE accepted.org = fact.org AND accepted.id = fact.id)",
    "SELECT org, id, NULL FROM image WHERE at >= :since AND at < :until AND at < :ripe AND NOT EXISTS "
    "(SELECT 1 FROM accepted WHERE accepted.org = image.org AND accepted.id = image.id)"
    " AND NOT EXISTS (SELECT 1 FROM fact WHERE fact.org = image.org AND fact.id = image.id)",
)


async def ask_for_absent(objects: Objects, ledger: Ledger) -> None:
    """Ask by its key for what no listing had, and note what is really not there."""
    images = [
        _WITHOUT_IMAGE.format(table=table, capture=CAPTURE, judged=judged)
        for table, judged in (("fact", "AND is_judged"), ("unpublished", ""))
    ]
    for place, queries in (("image", images), ("accepted", _WITHOUT_ACCEPTANCE)):
        for query in queries:
            for page in ledger.pages(query, PAGE):
                there = await side_by_side(
                    lambda row: objects.store.exists(
                        objects.bucket, row[2] or accepted_key(row[0], UUID(bytes=row[1]))
                    ),
                    page,
                    at_once=AT_ONCE,
                )
                ledger.add(
                    "absent",
                    [
                        (place, row[0], row[1])
                        for row, is_there in zip(page, there, strict=True)
                        if not is_there
                    ],
                )
