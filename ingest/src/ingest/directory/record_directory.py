"""Record what the directory says: one document, or a file of them, all or nothing."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar
from uuid import UUID, uuid4

from msgspec import structs

from attendance_schemas.events import (
    Authority,
    Event,
    OrganisationRecorded,
    PersonRecorded,
    RosterRecorded,
)
from attendance_schemas.org_types import OrgType, load_org_types
from attendance_schemas.topics import DIRECTORY
from ingest.domain.actor import Actor
from ingest.domain.badges import without_badge
from ingest.domain.directory import DirectoryView
from ingest.domain.directory_documents import Document, Kind
from ingest.domain.directory_rows import HEADER, Circumstances, Row, read_table, rows_of
from ingest.domain.organisation_type import with_type
from ingest.domain.person_history import with_history
from ingest.domain.roster import check_entry
from ingest.errors import BadgeTaken, FieldError, Forbidden, InvalidRecord, NotRecorded, Overtaken
from ingest.ports import Clock, Directory
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

E = TypeVar("E", bound=Event)
T = TypeVar("T")
TRIES = 3
ROWS_AT_ONCE = 500

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DirectoryDesk:
    """What recording takes; of an organisation one record or file at a time.

    A check and what it allows must not be parted, and what one organisation sends keeps no other waiting.
    """

    directory: Directory
    clock: Clock
    new_id: Callable[[], UUID] = uuid4
    org_types: Mapping[str, OrgType] = field(default_factory=load_org_types)
    turns: Mapping[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """How many records of a file were new or changed, and how many said what was recorded already."""

    recorded: int
    unchanged: int


async def record_document(
    kind: Kind, identity: str, document: Document, actor: Actor, desk: DirectoryDesk
) -> Event:
    """Record a document under its id and return what is recorded once the own view shows it.

    A document that says what is recorded already publishes nothing.

    Raises:
        Forbidden, InvalidRecord: not recorded, and why.
        BadgeTaken: recorded, but without the badge, which another process gave to somebody at the same time.
        TransientFailure: Kafka is away; the same request may be repeated.
    """
    authority = actor.require_role(kind.roles, f"record {kind.path}")

    async def once() -> Event:
        view = desk.directory.view
        said = kind.to_event(identity, document, org_id=actor.org_id, event_id=desk.new_id(), at=desk.clock())
        try:
            effective_on: date | None = getattr(document, "effective_on", None)
            event = _complete(_by(authority, said), effective_on, view, desk.org_types)
        except FieldError as error:
            raise InvalidRecord([error]) from error
        _authorise(event, identity, actor, view)
        recorded = view.same(event)
        if recorded is None and (errors := view.check(event) + await _roster_errors([(None, event)], view)):
            raise InvalidRecord(errors)
        recorded = recorded or event
        await _record([recorded], authority, desk)
        return recorded

    return await _in_turn(actor, desk, once)


async def take_back(
    kind: Kind, identity: str, effective_on: date | None, actor: Actor, desk: DirectoryDesk
) -> None:
    """Take a record back; of kinds with versions, the version of that date. Days that it made are recomputed.

    Raises:
        Forbidden, NotRecorded: nothing was taken back, and why.
        TransientFailure: Kafka is away; the same request may be repeated.
    """
    what = f"take back {kind.path}"
    authority = actor.require_role(kind.roles, what)

    async def once() -> None:
        view = desk.directory.view
        key = kind.key_of(actor.org_id, identity, effective_on)
        recorded = view.records.get(key)
        if recorded is None:
            raise NotRecorded(f"{key} is not recorded")
        actor.require_site(view.site_of(recorded), what)
        if not await desk.directory.take_back(recorded, authority):
            raise Overtaken(f"{key} was changed at the same moment")
        _log("take-back", recorded, authority)

    await _in_turn(actor, desk, once)


async def import_documents(kind: Kind, data: bytes, actor: Actor, desk: DirectoryDesk) -> ImportCounts:
    """Record a CSV file of one kind, in the order of its lines, after all lines were found good.

    Raises:
        Forbidden, InvalidRecord: nothing was recorded; every error names its line.
        BadgeTaken: recorded, but for badges that another process gave to others at the same time.
        TransientFailure: Kafka is away; some may be recorded, and the same file may be sent again.
    """
    authority = actor.require_role(kind.roles, f"record {kind.path}")
    table = await asyncio.to_thread(read_table, data, kind)
    # Also those of tries before: what was recorded then is not changed again.
    ours: set[UUID] = set()

    async def once() -> ImportCounts:
        view = desk.directory.view
        given = Circumstances(actor.org_id, desk.clock(), desk.new_id, view.records.get)
        rows, errors = await asyncio.to_thread(rows_of, table, kind, given)
        rows, incomplete = await _all_complete(rows, view, desk.org_types)
        errors += incomplete
        async for row in _unhurried(rows):
            errors += _row_errors(row, kind, actor, view)
        errors += await _roster_errors([(row.line, row.event) for row in rows], view)
        if errors:
            raise InvalidRecord(sorted(errors, key=lambda error: error.line or HEADER))
        if any(view.records.get(_key_of(row.event)) is not row.recorded for row in rows):
            raise Overtaken("a record of the file was changed while the file was read")
        ours.update(row.event.event_id for row in rows)
        events = [view.same(row.event) or _by(authority, row.event) for row in rows]
        await _record(events, authority, desk)
        recorded_count = sum(event.event_id in ours for event in events)
        return ImportCounts(recorded=recorded_count, unchanged=len(rows) - recorded_count)

    return await _in_turn(actor, desk, once)


async def _in_turn(actor: Actor, desk: DirectoryDesk, work: Callable[[], Awaitable[T]]) -> T:
    """Do one thing after the other; do it again, by what is recorded then, when another process was first."""
    async with desk.turns[actor.org_id]:
        for _ in range(TRIES):
            try:
                return await work()
            except Overtaken as overtaken:
                log.info("another process was first; tried again", reason=str(overtaken))
    raise TransientFailure("directory", "other processes change the same thing at this moment")


async def _record(events: Sequence[Event], authority: Authority, desk: DirectoryDesk) -> None:
    """Record what is not in force yet. Raises Overtaken or BadgeTaken.

    1. publish, and read the own records from the topic, with all that came before them.
    2. look whether somebody else was first to change the same: the order of the topic decides.
    3. look whether somebody else was first to claim a badge.
    4. say in the topic what counts already: these people are without the badge.
    """
    view = desk.directory.view
    changed = [event for event in events if not view.is_in_force(event)]
    overtaken = await desk.directory.record(changed)
    for event in changed:
        if event not in overtaken:
            _log("record", event, authority)
    if overtaken:
        raise Overtaken(f"{len(overtaken)} records do not count")
    losers = [event for event in events if isinstance(event, PersonRecorded) and view.is_without_badge(event)]
    if losers:
        await desk.directory.record([without_badge(event) for event in losers])
        people = ", ".join(f"{event.person_id} (badge {event.badge})" for event in losers)
        raise BadgeTaken(f"recorded without the badge, since somebody else got it at the same time: {people}")


def _by(authority: Authority, event: E) -> E:
    """Return a record of the directory with who made it."""
    return structs.replace(event, authority=authority)


def _log(action: str, event: Event, authority: Authority) -> None:
    """Say who changed what; no log names a person, so of people the line names the event, which does."""
    record = f"{event.org_id}:person" if isinstance(event, PersonRecorded) else _key_of(event)
    log.info(
        "audit",
        action=action,
        actor=authority.subject,
        role=authority.role,
        record=record,
        event_id=str(event.event_id),
    )


def _complete(
    said: Event, effective_on: date | None, view: DirectoryView, types: Mapping[str, OrgType]
) -> Event:
    """Return an event with the policy of its type, or with what held of its person. Raises FieldError."""
    event = with_type(said, types)
    if not isinstance(event, PersonRecorded):
        return event
    recorded = view.person(event.org_id, event.person_id)
    homes = {event.home_site_id, *([] if recorded is None else [recorded.home_site_id])}
    today = view.local_date(event.org_id, event.occurred_at, *homes)
    return with_history(event, recorded, effective_on, today)


async def _all_complete(
    rows: Sequence[Row], view: DirectoryView, types: Mapping[str, OrgType]
) -> tuple[list[Row], list[FieldError]]:
    complete, errors = [], []
    async for row in _unhurried(rows):
        try:
            complete.append(replace(row, event=_complete(row.event, row.effective_on, view, types)))
        except FieldError as error:
            errors.append(FieldError(error.field, error.message, line=row.line))
    return complete, errors


async def _unhurried(rows: Sequence[Row]) -> AsyncIterator[Row]:
    """Yield the rows, and let others work now and then."""
    for number, row in enumerate(rows, start=1):
        yield row
        if number % ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)


def _key_of(event: Event) -> str:
    return DIRECTORY.key_of(event).decode()


def _authorise(event: Event, identity: str, actor: Actor, view: DirectoryView) -> None:
    if isinstance(event, OrganisationRecorded) and identity != actor.org_id:
        raise Forbidden(
            f"the token is for organisation {actor.org_id}, not for {identity}; use one of its tokens"
        )
    for site_id in view.sites_concerned(event):
        actor.require_site(site_id, f"record {identity}")


async def _roster_errors(
    records: Sequence[tuple[int | None, Event]], view: DirectoryView
) -> list[FieldError]:
    """Return which roster entries give somebody two shifts on one date, once all of them are recorded.

    Others work between two entries: each is held against up to a thousand.
    """
    entries = [(line, event) for line, event in records if isinstance(event, RosterRecorded)]
    replaced = {entry.roster_id for _, entry in entries}
    changed = {entry.person_id for _, entry in entries if not view.same(entry)}
    beside: dict[str, list[RosterRecorded]] = {}
    errors = []
    for line, entry in entries:
        if entry.person_id not in changed:
            continue
        await asyncio.sleep(0)
        if entry.person_id not in beside:
            stays = view.roster_of(entry.org_id, entry.person_id)
            beside[entry.person_id] = [each for each in stays if each.roster_id not in replaced]
        found = check_entry(entry, beside[entry.person_id])
        errors += [FieldError(error.field, error.message, line=line) for error in found]
        beside[entry.person_id].append(entry)
    return errors


def _row_errors(row: Row, kind: Kind, actor: Actor, view: DirectoryView) -> list[FieldError]:
    identity = str(getattr(row.event, kind.id_field))
    try:
        _authorise(row.event, identity, actor, view)
        errors = [] if view.same(row.event) else view.check(row.event)
        return [FieldError(error.field, error.message, line=row.line) for error in errors]
    except Forbidden as error:
        return [FieldError(kind.id_field, str(error), line=row.line)]
