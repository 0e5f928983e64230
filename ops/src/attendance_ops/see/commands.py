"""The commands that look: `status`, `lag`, `inspect`, `trace`."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import typer

from attendance_ops import options
from attendance_ops.console import Json, out, progress, run, say, say_json, table
from attendance_ops.log.seen import Seen
from attendance_ops.log.spans import spans_of
from attendance_ops.log.times import shown, span
from attendance_ops.see.lag import Lag, lags
from attendance_ops.see.topics import topic_states
from attendance_ops.see.trace import Step, rows_of, since_of, trace
from attendance_ops.settings import Settings
from attendance_schemas.topics import DEAD_LETTER_SUFFIX
from service_kit.command import ExitCode

MANY, LONG = 1000, 30
WIDTH = 100
# So many times too many are kept before the oldest go.
TRIM = 4


def status(*, as_json: Json = False) -> None:
    """Show the whole pipeline on one screen.

    Topics, what is behind, dead letters, and what is normal.
    """

    async def work(settings: Settings) -> dict[str, Any]:
        return {
            "at": datetime.now(UTC),
            "topics": await topic_states(settings.kafka),
            "lags": await lags(settings.kafka),
        }

    found = run(work)
    if as_json:
        say_json(
            {
                "at": found["at"],
                "topics": [each.as_json() for each in found["topics"]],
                "lags": [each.as_json() for each in found["lags"]],
            }
        )
        return
    facts = [each for each in found["topics"] if not each.topic.endswith(DEAD_LETTER_SUFFIX)]
    table(
        f"Topics at {shown(found['at'])}",
        ("topic", "partitions", "offsets", "a minute"),
        [(each.topic, each.partitions, f"{each.records:,}", f"{each.per_minute:.1f}") for each in facts],
        right="partitions offsets a minute",
    )
    _show_lags(found["lags"])
    dead = [each for each in found["topics"] if each.topic.endswith(DEAD_LETTER_SUFFIX) and each.records]
    say()
    if not dead:
        say("Dead letters: none. That is normal.")
        return
    table(
        "Dead letters (normal: none; `attendance-ops dlq list` says which wait)",
        ("topic", "letters", "in 5 min"),
        [(each.topic, each.records, each.recent) for each in dead],
        right="letters in 5 min",
    )


def lag(
    *,
    watch: Annotated[
        float | None, typer.Option("--watch", min=0.5, help="Look again every so many seconds, until Ctrl-C.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how far each service is behind, in records and in seconds."""

    async def work(settings: Settings) -> None:
        while True:
            found = await lags(settings.kafka)
            if as_json:
                print(json.dumps([each.as_json() for each in found]), flush=True)  # noqa: T201
            else:
                if watch and out.is_terminal:
                    out.clear()
                _show_lags(found)
            if watch is None:
                return
            await asyncio.sleep(watch)

    run(work)


def inspect(
    topic: Annotated[str, typer.Argument(help="Topic, with or without `attendance.`.")],
    *,
    since: options.Since = None,
    until: options.Until = None,
    partition: options.Partition = None,
    offset: options.Offsets = None,
    key: options.Key = None,
    event: options.EventName = None,
    reason: options.Reason = None,
    where: options.Where = None,
    header: options.Header = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many.")] = 20,
    newest: Annotated[bool, typer.Option("--newest", help="Show the last instead of the first.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is in a topic, decoded. Names, badges and object keys are masked without a token."""

    async def work(settings: Settings) -> list[Seen]:
        selection = options.selection_of(
            topic,
            since=since,
            until=until,
            partition=partition,
            offset=offset,
            key=key,
            event=event,
            reason=reason,
            where=where,
            header=header,
        )
        found: list[Seen] = []
        async with options.opened(settings) as log:
            spans = await spans_of(log.whole, selection)
            if newest and selection.takes_all:
                spans = {
                    each: replace(span, first=max(span.first, span.end - limit))
                    for each, span in spans.items()
                }
            with progress("looking", sum(each.count for each in spans.values())) as looked:
                async with aclosing(log.read(selection, spans, looked)) as reading:
                    async for seen in reading:
                        found.append(seen)
                        if len(found) == limit and not newest:
                            break
                        if len(found) > limit * TRIM:
                            found = _newest(found, limit)
        return _newest(found, limit)

    found = run(work)
    if as_json:
        say_json([each.as_json() for each in found])
        return
    for seen in found:
        _show(seen)
    say(f"{len(found)} shown" + (f"; more may be there, --limit {limit}" if len(found) == limit else ""))
    if not found:
        raise typer.Exit(ExitCode.FAILED)


def trace_command(
    capture_id: Annotated[UUID, typer.Argument(help="Id of a capture or punch, as the device named it.")],
    *,
    since: options.Since = None,
    as_json: Json = False,
) -> None:
    """Show the whole way of a capture or punch.

    Its records with times, who has read them, and what the tables say.
    """

    async def work(settings: Settings) -> tuple[list[Step], dict[str, Any]]:
        begin = options.instant(since) or since_of(capture_id)
        async with options.opened(settings) as log:
            with progress("looking") as looked:
                steps = await trace(log, capture_id, since=begin, progress=looked)
        org = next((each.seen.fields["org_id"] for each in steps if "org_id" in each.seen.fields), None)
        rows: dict[str, Any] = {}
        if settings.database_url is not None and org is not None:
            rows = await rows_of(settings.database_url.get_secret_value(), org, capture_id)
        return steps, rows

    steps, rows = run(work)
    if as_json:
        say_json({"steps": [each.as_json() for each in steps], "rows": rows})
    for step in [] if as_json else steps:
        _show(step.seen)
        if step.reader is not None:
            say(f"    {step.reader} {'is past it' if step.is_read else 'has not read it yet'}")
    for name, found in {} if as_json else rows.items():
        for row in found:
            say(
                f"table {name}: "
                + ", ".join(f"{key}={value}" for key, value in row.items() if value is not None)
            )
    if not steps:
        if not as_json:
            say(f"no topic names {capture_id}; was it accepted? Try an earlier --from")
        raise typer.Exit(ExitCode.FAILED)


def _newest(found: list[Seen], limit: int) -> list[Seen]:
    """Return the last ones, the oldest of them first."""
    return sorted(found, key=lambda each: each.record.timestamp)[-limit:]


def _show_lags(found: list[Lag]) -> None:
    say()
    table(
        f"Behind (normal: under {MANY} records and {LONG} s; the backlog may take longer)",
        ("service", "topic", "records", "oldest waits"),
        [
            (each.group, each.topic, f"{each.records:,}", "" if each.waited is None else span(each.waited))
            for each in found
            if each.records
        ],
        right="records",
    )
    if not any(each.records for each in found):
        say("nothing is behind" if found else "no service has read anything yet")


def _show(seen: Seen) -> None:
    head = f"{seen.place}  {shown(seen.record.timestamp)}  {seen.event or 'unreadable'}  key {seen.key}"
    say(head)
    if seen.problem:
        say(f"    {seen.problem}")
    if seen.origin is not None:
        say(f"    {seen.origin.reason}: {seen.headers.get('dlq-error', '')}"[: WIDTH * 3])
        origin = seen.origin
        say(
            f"    from {origin.topic}:{origin.partition}:{origin.offset}, {origin.attempts} tries by "
            f"{origin.service} {origin.version}"
        )
    line = ""
    for name, value in _flat(seen.fields):
        part = f"{name}={value}"
        if line and len(line) + len(part) > WIDTH:
            say(f"    {line}")
            line = ""
        line = f"{line}  {part}" if line else part
    if line:
        say(f"    {line}")


def _flat(fields: Any, at: str = "") -> list[tuple[str, str]]:
    if isinstance(fields, dict) and (fields or not at):
        return [
            each for name, value in fields.items() for each in _flat(value, f"{at}.{name}" if at else name)
        ]
    return [] if fields is None else [(at, str(fields))]
