"""A record that arrives late is overruled by ingest, and every reader of the directory finds what counts."""

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.codec import Codec
from attendance_schemas.registry import SchemaRegistry
from attendance_schemas.topics import DIRECTORY
from recognition_worker.adapters.topics.kafka_directory_view import DirectoryFeed, KafkaDirectoryView
from recognition_worker.domain.identity import OrgId, Person, PersonId
from recognition_worker.domain.site_people import SitePeople
from recognition_worker.domain.turned_images import CameraTurns
from recognition_worker.metrics import RecognitionMetrics
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, Record
from service_kit.settings import KafkaSettings

pytestmark = pytest.mark.end_to_end

WITHIN = 60.0


async def put(scene, collection: str, identity: str, **document: object) -> None:
    url = f"{scene.plant.ingest_url}/v1/directory/{collection}/{identity}"
    answer = await scene.plant.client.put(url, headers=scene.plant.headers("ops"), json=document)
    assert answer.status_code == 200, answer.text


async def of_keys(kafka: KafkaSettings, *keys: str) -> list[list[Record]]:
    records = [record async for record in records_of(kafka, kafka.topic(DIRECTORY.name))]
    return [[record for record in records if record.key == key.encode()] for key in keys]


async def test_late_records_are_overruled_for_ingest_workers_and_tables(scene):
    environ, plant, member = scene.environ, scene.plant, scene.cast.members[0]
    kafka = KafkaSettings(
        bootstrap_servers=environ["KAFKA_BOOTSTRAP_SERVERS"], topic_prefix=environ["KAFKA_TOPIC_PREFIX"]
    )
    gate, annex = plant.own("gate-1"), plant.own("annex")
    keys = (f"{plant.org_id}:device:{gate}", f"{plant.org_id}:person:{member.person_id}")
    await put(scene, "sites", annex, name="Annex", time_zone="Asia/Kolkata")
    await put(scene, "devices", gate, site_id=plant.own("plant"), name="Gate", kind="KIOSK", revoked=True)
    await put(scene, "persons", member.person_id, home_site_id=annex, display_name="Moved")
    before = await of_keys(kafka, *keys)

    person = Person(OrgId(plant.org_id), PersonId(member.person_id))
    async with SchemaRegistry(environ["SCHEMA_REGISTRY_URL"]) as registry, RecordProducer(kafka) as producer:
        codec = Codec(registry, prefix=kafka.topic_prefix)

        async def home_in_a_worker() -> str | None:
            people = SitePeople()
            view = KafkaDirectoryView(
                kafka, DirectoryFeed(people, CameraTurns(), codec, RecognitionMetrics(CollectorRegistry()))
            )
            await view.start()
            await view.stop()
            return people.home_of(person)

        for records in before:
            late = records[0]
            await producer.send(OutgoingRecord(late.topic, late.key, late.value, late.headers))
        assert await home_in_a_worker() == plant.own("plant")

        async def overruled() -> list[list[Record]] | None:
            after = await of_keys(kafka, *keys)
            said_again = [
                records[-1].value == known[-1].value for records, known in zip(after, before, strict=True)
            ]
            return after if all(said_again) else None

        after = await scene.until(overruled, within=WITHIN, what="ingest says once more what counts")
        assert await home_in_a_worker() == annex

    answer = await plant.client.post(
        f"{plant.ingest_url}/v1/captures", headers={"Authorization": f"Bearer {plant.sign('device', gate)}"}
    )
    assert answer.json()["type"] == "urn:problem:revoked-device"

    tables = await asyncpg.connect(environ["DATABASE_URL"])
    try:
        end = max(records[-1].offset for records in after)

        async def projected() -> bool | None:
            read = await tables.fetchval(
                "SELECT next_offset FROM attendance.consumed_position WHERE topic = $1",
                kafka.topic(DIRECTORY.name),
            )
            return True if read > end else None

        await scene.until(projected, within=WITHIN, what="the tables have read up to it")
        ids = plant.org_id, gate, member.person_id
        assert tuple(
            await tables.fetchrow(
                "SELECT device.revoked, person.home_site_id FROM attendance.device JOIN attendance.person"
                " USING (org_id) WHERE org_id = $1 AND device_id = $2 AND person_id = $3",
                *ids,
            )
        ) == (True, annex)
    finally:
        await tables.close()
