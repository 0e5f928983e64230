"""Works the backlog off part by part, and sets aside what can never be computed."""

from collections.abc import Sequence
from functools import partial

from attendance_projector.domain.facts import RuleError
from attendance_projector.projection.backlog.ports import StaleSpan
from attendance_projector.projection.backlog.work_off import PEOPLE_PER_PART, set_aside, work_off
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.ports import ReadModel
from service_kit.errors import PoisonRecord
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class BacklogWorker:
    """Works on one set of tables; one person at a time finds out whose days cannot be computed."""

    def __init__(self, tables: ReadModel, metrics: ProjectorMetrics) -> None:
        self._tables = tables
        self._metrics = metrics
        self._people = PEOPLE_PER_PART
        self._tried: Sequence[StaleSpan] = ()

    async def work(self) -> bool:
        """Do one part; say whether there was anything to do. Raises TransientFailure, ReadModelSwitched."""
        self._tried = ()
        part = partial(work_off, people=self._people, trying=self._hear)
        try:
            done = await self._tables.in_transaction(part)
        except (PoisonRecord, RuleError) as error:
            if self._people == 1:
                await self._set_aside(str(error))
            self._people = PEOPLE_PER_PART if self._people == 1 else 1
            return True
        self._metrics.days.inc(done.day_count)
        self._metrics.backlog_days.inc(done.day_count)
        return not done.is_idle

    def _hear(self, spans: Sequence[StaleSpan]) -> None:
        self._tried = spans

    async def _set_aside(self, reason: str) -> None:
        # Those that failed: another projector can have set them aside meanwhile, and the next ones are sound.
        refusing = partial(set_aside, spans=self._tried, reason=reason)
        for each in await self._tables.in_transaction(refusing):
            self._metrics.backlog_refused.inc()
            # The reason can name people; it stays in the table.
            log.error(
                "days that wait cannot be computed and stay as they are; see stale_span.refused",
                org=each.person.org_id,
                number=each.number,
            )
