"""Keeps the people of sites equal to `attendance.directory`: complete before the first capture.

Only sites and people matter here; other records are not even decoded.
"""

from attendance_schemas.codec import Codec
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import IdentificationScope, PersonRecorded, SiteRecorded
from attendance_schemas.topics import DIRECTORY
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.domain.identity import OrgId, PersonId
from recognition_worker.domain.site_people import SiteId, SitePeople
from recognition_worker.metrics import RecognitionMetrics
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

_SITE, _PERSON = "site", "person"


class DirectoryFeed:
    """Applies records of the directory, one after the other."""

    def __init__(self, people: SitePeople, codec: Codec, metrics: RecognitionMetrics) -> None:
        self._people = people
        self._codec = codec
        self._metrics = metrics

    async def apply(self, record: Record, _read_at: float = 0.0) -> None:
        """Apply one record; one that cannot be applied is counted and left out.

        Raises:
            RegistryUnavailable: try the same record again.
        """
        kind, _, identity = (record.key or b"").decode("utf-8", "replace").partition(":")
        if kind not in {_SITE, _PERSON}:
            return
        if record.value is None:
            self._forget(kind, identity)
            return
        try:
            match await self._codec.decode(record.value):
                case SiteRecorded() as site if kind == _SITE and site.site_id == identity:
                    is_limited = site.identification_scope is IdentificationScope.SITE
                    self._people.record_site(SiteId(identity), OrgId(site.org_id), is_limited=is_limited)
                case PersonRecorded() as person if kind == _PERSON and person.person_id == identity:
                    self._people.record_person(PersonId(identity), SiteId(person.home_site_id))
                case event:
                    raise UndecodableRecord(
                        f"a {type(event).__name__} does not belong under {kind}:{identity}"
                    )
        except UndecodableRecord as error:
            self._metrics.directory_ignored.inc()
            log.error("a record of the directory was left out", record=str(record), error=str(error))  # noqa: TRY400

    def _forget(self, kind: str, identity: str) -> None:
        if kind == _SITE:
            self._people.forget_site(SiteId(identity))
        else:
            self._people.forget_person(PersonId(identity))


class KafkaDirectoryView:
    """Follows the topic in the background; `start` returns when what it holds now is applied."""

    def __init__(self, kafka: KafkaSettings, feed: DirectoryFeed) -> None:
        topic = followed(kafka, DIRECTORY, feed.apply)
        self.start = topic.start
        self.stop = topic.stop
        self.check = topic.check
        self.join = topic.join
