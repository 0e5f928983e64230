"""`reconcile`: what devices were promised, held against every place that has to have it; and the repair."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from attendance_ops import options
from attendance_ops.console import Json, Yes, agreed, progress, run, say, say_json
from attendance_ops.errors import WrongSelection
from attendance_ops.log.times import duration_of
from attendance_ops.operations import Operations, open_operations
from attendance_ops.reconcile.examine import Look, Sources, examine
from attendance_ops.reconcile.facts import Window
from attendance_ops.reconcile.ledger import Ledger, open_ledger
from attendance_ops.reconcile.read_log import check_positions
from attendance_ops.reconcile.read_objects import open_objects
from attendance_ops.reconcile.repair import Repair, repair_all, wait_for_readers
from attendance_ops.reconcile.show import look_as_json, repair_as_json, show_look, show_repair
from attendance_ops.settings import Settings
from service_kit.command import ExitCode
from service_kit.settings import ObjectStoreSettings

SINCE, GRACE, WAIT, RATE = "7d", "10m", "5m", 200.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say. grace: what is younger is not judged."""

    window: Window
    wait: timedelta
    rate: float
    examples: int
    apply: bool
    yes: bool
    as_json: bool


def reconcile(
    *,
    since: options.Since = None,
    until: options.Until = None,
    grace: Annotated[
        str, typer.Option("--grace", help="What is younger may be on its way: not judged.")
    ] = GRACE,
    apply: Annotated[bool, typer.Option("--apply", help="Publish again what is missing.")] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="Records a second, at most.")] = RATE,
    wait: Annotated[
        str, typer.Option("--wait", help="So long for the services to read what was published.")
    ] = WAIT,
    examples: Annotated[int, typer.Option(min=0, help="So many ids of each kind.")] = 5,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Hold object store, topics, tables and device numbers together.

    Without --apply nothing changes. Without --from: the last 7 days. Exit
    code 0: everything agrees; 1: something does not; 2: refused.
    """

    async def work(settings: Settings) -> bool:
        asked = Asked(
            window_of(since, until, grace),
            duration_of(wait),
            rate,
            examples,
            apply,
            yes,
            as_json,
        )
        async with _opened(settings) as (sources, operations):
            return await _reconcile(settings, sources, operations, asked)

    if not run(work):
        raise typer.Exit(ExitCode.FAILED)


def window_of(since: str | None, until: str | None, grace: str) -> Window:
    """Return what is looked at. Raises WrongSelection."""
    now = datetime.now(UTC)
    begin, end = options.instant(since or SINCE), options.instant(until) or now
    if begin is None or begin >= end:
        raise WrongSelection(f"--from {begin} is not before --to {end}")
    return Window(since=begin, until=min(end, now), ripe=now - duration_of(grace), now=now)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Sources, Operations]]:
    if settings.database_url is None:
        raise WrongSelection("OPS_DATABASE_URL is not set: the tables are held against the topics")
    async with (
        options.opened(settings) as log,
        open_objects(ObjectStoreSettings.load()) as objects,
        open_operations(log) as operations,
    ):
        yield Sources(log, objects, settings.database_url.get_secret_value()), operations


async def _reconcile(settings: Settings, sources: Sources, operations: Operations, asked: Asked) -> bool:
    with open_ledger(asked.window) as ledger:
        look = await _look(sources, asked, asked.window, ledger)
        if not asked.as_json:
            show_look(look)
        if not (asked.apply and look.repairable):
            if asked.as_json:
                say_json(look_as_json(look))
            return not any(look.counts.values())
        await check_positions(sources.log, look.readers)
        if not agreed(f"Publish {look.repairable:,} events again?", yes=asked.yes):
            say("nothing was done")
            return False
        repair = Repair(operations, sources.objects, settings.operator)
        with progress("publishing", look.repairable) as sent:
            await repair_all(repair, ledger, rate=asked.rate, progress=sent)
    return await _say_what_is_right(sources, asked, look, repair)


async def _look(sources: Sources, asked: Asked, window: Window, ledger: Ledger) -> Look:
    with progress("reading topics") as read:
        return await examine(sources, window, ledger, examples=asked.examples, progress=read)


async def _say_what_is_right(sources: Sources, asked: Asked, look: Look, repair: Repair) -> bool:
    """Look once more, when the services have read what was published; say what is right then."""
    if not asked.as_json:
        show_repair(repair)
    with progress("waiting for the services"):
        is_read = await wait_for_readers(repair.operations, within=asked.wait)
    # What was judged before is judged again, however new its record is now.
    now = datetime.now(UTC)
    window = replace(look.window, until=min(look.window.until, look.window.ripe), ripe=now, now=now)
    with open_ledger(window) as ledger:
        after = await _look(sources, asked, window, ledger)
    if asked.as_json:
        say_json(_as_json(look, repair, after, is_read=is_read))
    else:
        show_look(after)
        if not is_read:
            say("the services have not read all of it yet; run the same again")
    return is_read and not any(after.counts.values())


def _as_json(look: Look, repair: Repair, after: Look, *, is_read: bool) -> dict[str, Any]:
    return {
        **look_as_json(look),
        "repair": repair_as_json(repair, is_read=is_read),
        "after": look_as_json(after),
    }
