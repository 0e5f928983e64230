"""The commands of the archive: `run` and `once` write, `list` and `verify` look, `prune` makes room."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from attendance_ops.archive.prune import KEEP_DAYS, prune
from attendance_ops.archive.rounds import Pace, Rounds, Told, opened_archive
from attendance_ops.archive.serve import serve
from attendance_ops.archive.show import Listing, listings, show_listings, show_verdicts
from attendance_ops.archive.topics import archived_topics
from attendance_ops.console import Json, Yes, agreed, fail, hint, progress, run, say, say_json
from attendance_ops.errors import OpsError
from attendance_ops.log.selection import check_topic
from attendance_ops.settings import COMMAND, Settings
from service_kit.archive.draft import BYTES, RECORDS, Limits
from service_kit.archive.verify import Verdict, verify_series
from service_kit.command import ExitCode, load_or_refuse, refuse
from service_kit.errors import OverwritingStore, SettingsError

archive = typer.Typer(
    help="Keep topics past Kafka's retention, in the object store.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Records = Annotated[int, typer.Option(min=1, max=1_000_000, help="Records of a file, at most.")]
Within = Annotated[
    float, typer.Option(min=1, max=540, help="Seconds that a record of a quiet topic waits, at most.")
]
SnapshotEvery = Annotated[
    float, typer.Option(min=1, help="Seconds between two snapshots of a compacted topic, at least.")
]
Topics = Annotated[
    list[str] | None, typer.Argument(help="Topics, with or without `attendance.`; all without.")
]
AcceptLost = Annotated[
    bool, typer.Option("--accept-lost", help="Do not count what is recorded as lost before it was archived.")
]
KeepDays = Annotated[float, typer.Option(min=0, help="Days for which older snapshots stay.")]


@archive.command("run")
def run_command(
    *, records: Records = RECORDS, within: Within = 300, snapshot_every: SnapshotEvery = 3600
) -> None:
    """Archive all topics, and go on until it is stopped.

    Two may run at once. Killed at any point, the next one goes on.
    """
    from service_kit import run as running
    from service_kit.observing.logs import configure_logging

    settings = load_or_refuse(COMMAND, Settings)
    configure_logging(COMMAND)
    pace = Pace(Limits(records, BYTES), timedelta(seconds=within), timedelta(seconds=snapshot_every))
    try:
        code = running.run(lambda stopping: serve(settings, pace, stopping))
    except (OpsError, SettingsError, OverwritingStore) as error:
        refuse(COMMAND, error)
    raise typer.Exit(code)


@archive.command("once")
def once(*, records: Records = RECORDS, as_json: Json = False) -> None:
    """Archive what is there now, and end.

    For cron. Exit code 1 when records expired before they were archived.
    """

    async def work(settings: Settings) -> Told:
        async with opened_archive(settings) as store:
            await store.check()
            with progress("archiving") as wrote:
                rounds = Rounds(
                    settings.kafka,
                    store,
                    Pace(Limits(records, BYTES)),
                    lambda manifest: wrote(manifest.contents.count),
                )
                return await rounds.round(everything=True)

    told = run(work)
    if as_json:
        say_json(
            {
                "files": len(told.written),
                "records": told.records,
                "lost": told.lost,
                "problems": list(told.problems.values()),
            }
        )
    else:
        say(f"archived {told.records:,} records in {len(told.written):,} files")
    _end_by(told)


def _end_by(told: Told) -> None:
    for each in told.problems.values():
        hint(f"{COMMAND}: {each}")
    if told.lost:
        fail(f"{told.lost:,} records had expired before they were archived; the archive says which")
    if told.problems:
        raise typer.Exit(ExitCode.FAILED)


@archive.command("list")
def list_command(topics: Topics = None, *, as_json: Json = False) -> None:
    """List what is archived of each topic, and how far it is behind."""

    async def work(settings: Settings) -> list[Listing]:
        wanted = [check_topic(each) for each in topics or ()]
        async with opened_archive(settings) as store:
            return await listings(settings.kafka, store, wanted)

    found = run(work)
    if as_json:
        say_json([each.as_json() for each in found])
        return
    show_listings(found)


@archive.command("verify")
def verify_command(topics: Topics = None, *, accept_lost: AcceptLost = False, as_json: Json = False) -> None:
    """Read every file, and say whether each offset is there once.

    Compares bytes with checksums, and counts. Exit code 1 with what is missing.
    """

    async def work(settings: Settings) -> list[Verdict]:
        wanted = [check_topic(each) for each in topics or ()]
        verdicts = []
        async with opened_archive(settings) as store:
            with progress("verifying") as looked:
                for topic in wanted or [each.name for each in archived_topics()]:
                    for listed in await store.listed(settings.kafka.topic(topic)):
                        verdicts.append(await verify_series(store, listed))
                        looked(verdicts[-1].records)
        return verdicts

    verdicts = run(work)
    is_whole = show_verdicts(verdicts, accept_lost=accept_lost, as_json=as_json)
    if not is_whole:
        raise typer.Exit(ExitCode.FAILED)


@archive.command("prune")
def prune_command(*, keep_days: KeepDays = KEEP_DAYS, yes: Yes = False) -> None:
    """Remove snapshots that a newer one replaces, once they are old.

    The newest complete one of each partition stays, and every file of records. Needs a key that may delete
    objects, which `deploy/access.yaml` gives to nobody.
    """
    question = f"Remove snapshots that are older than {keep_days:g} days, where there is a newer one?"
    if not agreed(question, yes=yes):
        say("nothing was done")
        return

    async def work(settings: Settings) -> int:
        async with opened_archive(settings) as store:
            return await prune(settings.kafka, store, timedelta(days=keep_days))

    say(f"removed {run(work):,} files")
