"""Put a rebuild together, and what else is done with its tables: all of it alone, on one connection."""

from functools import partial

from attendance_projector.rebuild.adapters.kafka_log import beginnings, losses_of
from attendance_projector.rebuild.adapters.postgres_comparison import open_comparison
from attendance_projector.rebuild.adapters.postgres_differing_days import PostgresDifferingDays
from attendance_projector.rebuild.adapters.postgres_schemas import PostgresSchemas, open_schemas
from attendance_projector.rebuild.adapters.postgres_switch import PostgresSwitch
from attendance_projector.rebuild.adapters.worker_processes import peak_memory_mb, run_together
from attendance_projector.rebuild.loading import open_loading
from attendance_projector.rebuild.ports import NEXT, PREVIOUS, Progress
from attendance_projector.rebuild.rebuild import Means, Rebuild, roll_back
from attendance_projector.rebuild.report import Options, Report
from attendance_projector.rebuild.tell_differences import tell_differences
from attendance_projector.settings import Settings
from service_kit.archive.store import open_archive
from service_kit.archive.whole_log import WholeLog


async def run_rebuild(settings: Settings, options: Options, progress: Progress, report: Report) -> None:
    """Rebuild, compare, switch. Raises RebuildRefused, TransientFailure, or what a bug raises."""
    async with (
        open_archive(settings.archive.bucket) as archive,
        open_schemas(settings.database.url.get_secret_value()) as schemas,
    ):
        means = means_of(settings, schemas, WholeLog(settings.kafka, archive))
        await Rebuild(means, options, progress, report).run()
    report.peak_memory_mb = max(report.peak_memory_mb, peak_memory_mb())


def means_of(settings: Settings, schemas: PostgresSchemas, whole: WholeLog) -> Means:
    """Return what a rebuild of these schemas works with. whole: the log that it reads."""
    return Means(
        schemas=schemas,
        switch=PostgresSwitch(schemas),
        differing=PostgresDifferingDays(schemas),
        losses=partial(losses_of, whole),
        run_together=run_together,
        open_loading=partial(open_loading, settings),
        open_comparison=partial(open_comparison, settings.database.url.get_secret_value()),
        topic_prefix=settings.kafka.topic_prefix,
    )


async def run_rollback(settings: Settings) -> None:
    """Put the tables that the last switch took away back in their place. Raises RebuildRefused."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        await roll_back(schemas, PostgresSwitch(schemas), partial(beginnings, settings.kafka))


async def run_telling(settings: Settings, progress: Progress) -> None:
    """Tell which days the last switch or rollback changed. Raises RebuildRefused."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        told = await tell_differences(PostgresDifferingDays(schemas), progress)
    progress.note(f"{told} days that differ were told to followers of the change feed")


async def run_discard(settings: Settings, *, previous: bool) -> None:
    """Drop the tables that the last switch took away, or those that an unfinished rebuild left."""
    async with open_schemas(settings.database.url.get_secret_value()) as schemas:
        await schemas.discard(PREVIOUS if previous else NEXT)
