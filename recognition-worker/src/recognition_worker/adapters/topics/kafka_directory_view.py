"""Keeps the people of sites, and the turns of cameras, equal to `attendance.directory`.

Both are complete before the first capture. Only sites, devices and people matter here; other records are not
even decoded.
"""

import sys

from attendance_schemas.codec import Codec
from attendance_schemas.errors import SchemaUnknown, UndecodableRecord
from attendance_schemas.events import DeviceRecorded, IdentificationScope, PersonRecorded, SiteRecorded
from attendance_schemas.topics import DIRECTORY
from recognition_worker.adapters.topics.followed_events import followed
from recognition_worker.domain.identity import Device, DeviceId, OrgId, Person, PersonId, Site, SiteId
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.event_mapping import person_of
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings

log = get_logger(__name__)


class DirectoryFeed:
    """Applies records of the directory, one after the other."""

    def __init__(
        self, people: SitePeople, cameras: CameraTurns, codec: Codec, metrics: RecognitionMetrics
    ) -> None:
        self._people = people
        self._cameras = cameras
        self._codec = codec
        self.metrics = metrics

    async def apply(self, record: Record, _read_at: float = 0.0) -> None:
        """Apply one record; one that cannot be applied is counted and left out.

        Raises:
            RegistryUnavailable: try the same record again.
        """
        about = _about(record.key or b"")
        if about is None:
            return
        if record.value is None:
            self._forget(about)
            return
        try:
            match about, await self._codec.decode(record.value):
                case Site() as site, SiteRecorded() as event if site == (event.org_id, event.site_id):
                    is_limited = event.identification_scope is IdentificationScope.SITE
                    self._people.record_site(site, is_limited=is_limited)
                case Person() as person, PersonRecorded() as event if person == person_of(event):
                    self._people.record_person(person, SiteId(event.home_site_id))
                case Device() as device, DeviceRecorded() as event if device == (
                    event.org_id,
                    event.device_id,
                ):
                    self._cameras.record(device, event.image_turn_degrees)
                case _, event:
                    raise UndecodableRecord(f"a {type(event).__name__} does not belong under this key")
        except (UndecodableRecord, ValueError) as error:
            self.metrics.directory_ignored.inc()
            log.error("a record of the directory was left out", record=str(record), error=str(error))  # noqa: TRY400

    def _forget(self, about: Site | Device | Person) -> None:
        match about:
            case Site():
                self._people.forget_site(about)
            case Device():
                self._cameras.forget(about)
            case Person():
                self._people.forget_person(about)


def _about(key: bytes) -> Site | Device | Person | None:
    match DIRECTORY.fields_of(key):
        case "SiteRecorded", {"org_id": org_id, "site_id": site_id}:
            return Site(OrgId(sys.intern(org_id)), SiteId(site_id))
        case "DeviceRecorded", {"org_id": org_id, "device_id": device_id}:
            return Device(OrgId(sys.intern(org_id)), DeviceId(device_id))
        case "PersonRecorded", {"org_id": org_id, "person_id": person_id}:
            return Person(OrgId(sys.intern(org_id)), PersonId(person_id))
        case _:
            return None


class KafkaDirectoryView:
    """Follows the topic in the background; `start` returns when what it holds now is applied."""

    def __init__(self, kafka: KafkaSettings, feed: DirectoryFeed) -> None:
        # A site or person that is missing keeps nobody else from being decided about.
        topic = followed(kafka, DIRECTORY, feed.apply, aside=(SchemaUnknown,))
        feed.metrics.directory_aside.set_function(lambda: topic.set_aside)
        self.start = topic.start
        self.stop = topic.stop
        self.check = topic.check
        self.join = topic.join
