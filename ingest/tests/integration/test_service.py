import asyncio
import hashlib
import json
import urllib.parse
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from attendance_schemas.codec import FRAME, MAGIC
from attendance_schemas.events import TimeTrust
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG, CORRECTIONS, DIRECTORY, ENROLMENTS, PUNCHES
from attendance_testing.object_store_server import BUCKET, object_store_server
from ingest.service import serve_ingest
from ingest.settings import Settings
from service_kit.errors import OverwritingStore
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord
from service_kit.settings import ValkeySettings
from service_kit.state.object_store import ObjectStore

pytestmark = pytest.mark.integration


@pytest.fixture
def shot(new_capture_id):
    """Return the metadata of a capture taken now, or some time ago."""

    def make(sequence: int = 1, *, ago: timedelta = timedelta(seconds=1)) -> dict[str, object]:
        now = datetime.now(UTC)
        return {
            "capture_id": str(new_capture_id(now - ago)),
            "device_sequence": sequence,
            "captured_at": (now - ago).isoformat(),
            "device_now": now.isoformat(),
            "direction": "IN",
        }

    return make


async def test_an_accepted_capture_is_in_the_store_and_on_the_topic(ingest, shot, picture):
    gate = await ingest.furnish()
    sent = shot()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    image = picture(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0")
    response = await ingest.send(gate, sent, image, traceparent=trace, **{"X-Correlation-ID": "kiosk:1"})

    assert response.status_code == 202, response.text
    assert response.headers["X-Correlation-ID"] == "kiosk:1"
    answer = response.json()
    [(key, event, headers)] = await ingest.events(CAPTURES)
    assert key == CAPTURES.key_of(event)
    assert (str(event.capture_id), event.site_id) == (sent["capture_id"], ingest.own("pune"))
    assert answer == {
        "capture_id": sent["capture_id"],
        "received_at": event.recorded_at.isoformat().replace("+00:00", "Z"),
        "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "time_trust": "SYNCED",
        "status_url": f"https://query.test/v1/captures/{sent['capture_id']}",
        "device_sequence_acknowledged": 1,
    }
    assert event.time_trust is TimeTrust.SYNCED
    assert event.image.orientation == 6
    assert headers["correlation-id"] == b"kiosk:1"
    assert headers["traceparent"].split(b"-")[1] == trace.encode().split(b"-")[1]
    objects = ObjectStore(ingest.settings.object_store)
    stored = await objects.get(event.image.bucket, event.image.key)
    await objects.close()
    assert stored == picture()
    assert (hashlib.sha256(stored).hexdigest(), len(stored)) == (event.image.sha256, event.image.size_bytes)


async def test_a_resend_gives_the_same_answer_and_the_same_event(ingest, shot, picture):
    gate = await ingest.furnish()
    sent = shot(ago=timedelta(minutes=1, seconds=59))
    answers = []
    for _ in range(3):
        sent["device_now"] = datetime.now(UTC).isoformat()
        response = await ingest.send(gate, sent, picture())
        assert response.status_code == 202
        answers.append(response.json())
    assert answers[0] == answers[1] == answers[2]
    events = [event for _, event, _ in await ingest.events(CAPTURES)]
    assert len(events) == 3
    assert len(set(events)) == 1


async def test_many_senders_of_one_capture_agree(ingest, shot, picture):
    gate = await ingest.furnish()
    sent = shot()
    responses = await asyncio.gather(*(ingest.send(gate, sent, picture()) for _ in range(6)))
    assert {response.status_code for response in responses} == {202}
    assert len({response.json()["received_at"] for response in responses}) == 1
    assert len({event for _, event, _ in await ingest.events(CAPTURES)}) == 1


async def test_another_image_under_the_same_id_conflicts(ingest, shot, picture):
    gate = await ingest.furnish()
    sent = shot()
    await ingest.send(gate, sent, picture())
    response = await ingest.send(gate, sent, picture(seed=2))
    assert (response.status_code, response.json()["type"]) == (409, "urn:problem:id-in-use")
    assert len(await ingest.events(CAPTURES)) == 1


async def test_old_captures_go_to_the_backlog_and_gaps_are_seen(ingest, shot, picture):
    gate = await ingest.furnish()
    acknowledged = []
    for sequence in (1, 3, 2):
        response = await ingest.send(gate, shot(sequence, ago=timedelta(hours=5)), picture())
        acknowledged.append(response.json()["device_sequence_acknowledged"])
    assert acknowledged == [1, 1, 3]
    assert await ingest.events(CAPTURES) == []
    backlog = await ingest.events(CAPTURES_BACKLOG)
    assert [event.device_sequence for _, event, _ in backlog] == [1, 3, 2]


async def test_unknown_and_revoked_devices_and_false_tokens_are_refused(ingest, shot, picture):
    gate = await ingest.furnish()
    assert (await ingest.send("nobody", shot(), picture())).json()["type"] == "urn:problem:unknown-device"
    strange = ingest.issuer.bearer(gate, "device", tenant=ingest.org_id, aud="somebody-else")
    response = await ingest.client.post("/v1/captures", headers=strange)
    assert (response.status_code, response.json()["type"]) == (401, "urn:problem:invalid-token")
    assert (await ingest.client.post("/v1/captures")).status_code == 401
    await ingest.put("devices", gate, site_id=ingest.own("pune"), name="Gate", kind="KIOSK", revoked=True)
    refused = await ingest.send(gate, shot(), picture())
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:problem:revoked-device")
    assert await ingest.events(CAPTURES) == []


@pytest.mark.parametrize(
    ("image", "status"),
    [(b"", 422), (b"GIF89a", 415), (b"\xff\xd8\xff" * 400_000, 413), (b"\xff" * 9_000_000, 413)],
)
async def test_wrong_images_are_refused_over_a_real_connection(ingest, shot, image, status):
    gate = await ingest.furnish()
    response = await ingest.send(gate, shot(), image)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


async def test_enrolments_are_stored_published_and_repeatable(ingest, picture):
    await ingest.furnish()
    answers = []
    for _ in range(2):
        response = await ingest.client.post(
            "/v1/enrolments",
            headers=ingest.bearer("hr-1", "hr"),
            data={"metadata": json.dumps({"person_id": ingest.own("p-1"), "consent_reference": "c/1"})},
            files=[("photos", ("a", picture(seed=seed), "image/jpeg")) for seed in (1, 2)],
        )
        assert response.status_code == 202, response.text
        answers.append(response.json())
    assert answers[0] == answers[1]
    events = [event for _, event, _ in await ingest.events(ENROLMENTS)]
    assert events[0] == events[1]
    assert (str(events[0].enrolment_id), events[0].authority.subject) == (answers[0]["enrolment_id"], "hr-1")
    objects = ObjectStore(ingest.settings.object_store)
    stored = [await objects.get(photo.bucket, photo.key) for photo in events[0].photos]
    await objects.close()
    assert stored == [picture(seed=1), picture(seed=2)]


async def test_punches_and_corrections_repeat_what_was_decided_first(
    ingest, start, settings, shot, picture, poll
):
    gate = await ingest.furnish()
    await ingest.send(gate, shot(1), picture())
    sent = shot(2)
    punch = {
        "punch_id": sent["capture_id"],
        "device_sequence": 2,
        "method": "pin",
        "person_id": ingest.own("p-1"),
        "captured_at": sent["captured_at"],
    }
    addition = {
        "correction_id": shot()["capture_id"],
        "person_id": ingest.own("p-1"),
        "punched_at": "2026-03-02T16:30:00+05:30",
        "reason": "reader broken",
    }
    answers = []
    for _ in range(2):
        for path, document, headers in (
            ("punches", punch, ingest.bearer(gate, "device")),
            ("corrections/additions", addition, ingest.bearer("foreman", "supervisor")),
        ):
            response = await ingest.client.post(f"/v1/{path}", headers=headers, json=document)
            assert response.status_code == 202, response.text
            answers.append(response.json())
    assert answers[:2] == answers[2:]
    assert answers[0]["device_sequence_acknowledged"] == 2
    for topic in (PUNCHES, CORRECTIONS):
        first, again = (event for _, event, _ in await ingest.events(topic))
        assert first == again
    await forget(settings.valkey, settings.kafka.topic_prefix)
    async with start(settings) as second:
        second.org_id = ingest.org_id
        await poll(lambda: has_rebuilt(second))
        response = await second.send(gate, shot(3), picture())
        assert response.json()["device_sequence_acknowledged"] == 3


async def test_a_removal_says_in_the_topic_who_made_it(ingest):
    await ingest.furnish()
    leave, on = ingest.own("l-1"), "2026-03-02"
    await ingest.put("leaves", leave, person_id=ingest.own("p-1"), starts_on=on, ends_on=on)
    response = await ingest.client.delete(
        f"/v1/directory/leaves/{leave}", headers=ingest.bearer("hr-1", "hr")
    )
    assert response.status_code == 204, response.text
    ((key, headers),) = await ingest.tombstones(DIRECTORY)
    assert key == f"{ingest.org_id}:leave:{leave}"
    assert json.loads(headers["authority"]) == {"subject": "hr-1", "role": "hr", "sites": None}
    assert "correlation-id" in headers


async def test_the_directory_reads_its_own_writes_and_survives_a_restart(ingest, start, settings):
    await ingest.furnish()
    recorded = await ingest.put("sites", ingest.own("pune"), name="Pune 2", time_zone="Asia/Kolkata")
    rows = "person_id,home_site_id,display_name\n" + "".join(
        f"{ingest.own(f'p-{number}')},{ingest.own('pune')},Person {number}\n" for number in range(1200)
    )
    response = await ingest.client.post(
        "/v1/directory/persons/import",
        headers=ingest.bearer("hr-1", "hr") | {"Content-Type": "text/csv"},
        content=rows.encode(),
    )
    assert response.json() == {"kind": "persons", "recorded": 1200, "unchanged": 0}, response.text
    events = [event for _, event, _ in await ingest.events(DIRECTORY)]
    people = [event.person_id for event in events if hasattr(event, "person_id")]
    assert len(people) == 1201
    assert len(set(people)) == 1200
    async with start(settings) as second:
        second.org_id = ingest.org_id
        again = await second.put("sites", ingest.own("pune"), name="Pune 2", time_zone="Asia/Kolkata")
        assert again.json() == recorded.json()
        assert await second.sample("ingest_directory_records") >= 1203


async def test_two_processes_give_a_badge_to_one_person_and_say_so(ingest, start, settings, new_capture_id):
    gate = await ingest.furnish()
    async with start(settings) as second:
        second.org_id = ingest.org_id
        for number in range(8):
            badge, people = f"B-{number}", [f"p-{number}a", f"p-{number}b"]
            document = {"home_site_id": ingest.own("pune"), "display_name": "x", "badge": badge}
            answers = await asyncio.gather(
                *(
                    process.client.put(
                        f"/v1/directory/persons/{person}", headers=process.bearer("hr-1", "hr"), json=document
                    )
                    for process, person in zip((ingest, second), people, strict=True)
                )
            )
            # 422: the record of the other process was seen before; 409: it came first on the topic.
            assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 422])
            (holder,) = (answer.json()["person_id"] for answer in answers if answer.status_code == 200)
            for offset, process in enumerate((ingest, second), start=1):
                now = datetime.now(UTC).isoformat()
                punch = {"punch_id": str(new_capture_id()), "device_sequence": 2 * number + offset}
                punch |= {"method": "badge", "badge": badge, "captured_at": now, "device_now": now}
                headers = process.bearer(gate, "device")
                answer = await process.client.post("/v1/punches", headers=headers, json=punch)
                assert answer.status_code == 202, answer.text
            punches = [event for _, event, _ in await ingest.events(PUNCHES)]
            assert [each.person_id for each in punches if each.credential == badge] == [holder, holder]


async def test_sequences_are_rebuilt_from_the_topics(ingest, start, settings, shot, picture, poll):
    gate = await ingest.furnish()
    for sequence, ago in ((1, timedelta(hours=3)), (2, timedelta(0)), (4, timedelta(0))):
        assert (await ingest.send(gate, shot(sequence, ago=ago), picture())).status_code == 202
    await forget(settings.valkey, settings.kafka.topic_prefix)
    async with start(settings) as second:
        second.org_id = ingest.org_id
        await poll(lambda: has_rebuilt(second))
        response = await second.send(gate, shot(3), picture())
        assert response.json()["device_sequence_acknowledged"] == 4


async def test_a_valkey_that_forgets_while_we_run_is_told_again(ingest, settings, shot, picture, poll):
    gate = await ingest.furnish()
    assert (await ingest.send(gate, shot(1), picture())).json()["device_sequence_acknowledged"] == 1
    before = await ingest.sample("ingest_sequence_rebuilds_total")
    await forget(settings.valkey, settings.kafka.topic_prefix)
    response = await ingest.send(gate, shot(2), picture())
    assert (response.status_code, response.json()["device_sequence_acknowledged"]) == (202, None)

    async def rebuilt() -> bool:
        return await ingest.sample("ingest_sequence_rebuilds_total") > before

    await poll(rebuilt)
    assert (await ingest.send(gate, shot(3), picture())).json()["device_sequence_acknowledged"] == 3


async def has_rebuilt(ingest) -> bool:
    return await ingest.sample("ingest_sequence_rebuilds_total") == 1


async def forget(valkey: ValkeySettings, prefix: str) -> None:
    client = Redis.from_url(valkey.url.get_secret_value())
    async for key in client.scan_iter(f"{prefix}ingest:*"):
        await client.delete(key)
    await client.aclose()


async def test_captures_are_accepted_while_valkey_is_away(start, settings, gate_to, shot, picture, poll):
    url = urllib.parse.urlsplit(settings.valkey.url.get_secret_value())
    way = await gate_to(url.hostname, url.port)
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{way.own_port}")).geturl()
    async with start(settings.model_copy(update={"valkey": ValkeySettings(url=through)})) as ingest:
        gate = await ingest.furnish()
        assert (await ingest.send(gate, shot(1), picture())).json()["device_sequence_acknowledged"] == 1
        await way.close()
        for sequence in (2, 3):
            response = await ingest.send(gate, shot(sequence), picture())
            assert (response.status_code, response.json()["device_sequence_acknowledged"]) == (202, None)
        await way.open()
        fourth = shot(4)

        async def known_again() -> bool:
            response = await ingest.send(gate, fourth, picture())
            return response.json()["device_sequence_acknowledged"] == 4

        await poll(known_again)


async def test_while_the_store_is_away_devices_come_back_later(start, settings, gate_to, shot, picture):
    endpoint = urllib.parse.urlsplit(settings.object_store.endpoint)
    way = await gate_to(endpoint.hostname, endpoint.port)
    store = settings.object_store.model_copy(update={"endpoint": f"http://127.0.0.1:{way.own_port}"})
    async with start(settings.model_copy(update={"object_store": store})) as ingest:
        gate = await ingest.furnish()
        sent = shot()
        await way.close()
        response = await ingest.send(gate, sent, picture())
        assert response.status_code == 503, response.text
        assert 1 <= int(response.headers["Retry-After"]) <= 5
        assert await ingest.events(CAPTURES) == []
        assert await ingest.ready(within_reach=False) == {"object-store"}
        await way.open()
        assert await ingest.ready(within_reach=True) == set()
        assert (await ingest.send(gate, sent, picture())).status_code == 202
        assert [str(event.capture_id) for _, event, _ in await ingest.events(CAPTURES)] == [
            sent["capture_id"]
        ]


async def test_before_its_schemas_are_there_it_lives_but_is_not_ready(start, settings, shot, picture):
    kafka = settings.kafka.model_copy(update={"topic_prefix": "never-applied."})
    async with start(settings.model_copy(update={"kafka": kafka}), ready=False) as ingest:
        assert (await ingest.client.get("/health/live")).status_code == 200
        ready = await ingest.client.get("/health/ready")
        assert ready.status_code == 503
        assert "waits for schema-registry" in ready.json()["checks"]["start"]
        response = await ingest.send("gate-1", shot(), picture())
        assert (response.status_code, response.json()["type"]) == (503, "urn:problem:temporarily-unavailable")


async def test_a_record_of_an_unknown_schema_stops_no_start_and_is_told(
    ingest, start, settings, shot, picture
):
    gate = await ingest.furnish()
    topic = settings.kafka.topic(DIRECTORY.name)
    key = f"{ingest.org_id}:device:{ingest.own('newer')}".encode()
    async with RecordProducer(settings.kafka) as producer:
        await producer.send(OutgoingRecord(topic, key, FRAME.pack(MAGIC, 2**31) + b"of a newer version"))
        try:
            async with start(settings) as again:  # ready soon
                again.org_id = ingest.org_id
                assert (await again.send(gate, shot(), picture())).status_code == 202
                assert await again.sample("ingest_directory_records_aside") == 1
                ready = (await again.client.get("/health/ready")).json()
                assert ready["notes"]["directory"].startswith("1 records are set aside")
                # A later record of the key is all that counts.
                site = ingest.own("pune")
                await again.put("devices", ingest.own("newer"), site_id=site, name="Newer", kind="KIOSK")
                assert await again.sample("ingest_directory_records_aside") == 0
        finally:
            await producer.send(OutgoingRecord(topic, key, None))


async def test_requests_in_flight_are_finished_at_a_stop(ingest, shot, picture, poll):
    gate = await ingest.furnish()
    sent = [shot(sequence) for sequence in range(1, 9)]
    requests = [asyncio.create_task(ingest.send(gate, each, picture())) for each in sent]

    async def one_is_through() -> bool:
        return await ingest.sample('ingest_requests_total{operation="capture",outcome="accepted"}') >= 1

    await poll(one_is_through)
    ingest.stopping.set()
    responses = await asyncio.gather(*requests, return_exceptions=True)
    accepted = [each for each in responses if not isinstance(each, BaseException)]
    assert accepted
    assert {response.status_code for response in accepted} == {202}
    kept = {event.capture_id for _, event, _ in await ingest.events(CAPTURES)}
    assert {UUID(response.json()["capture_id"]) for response in accepted} <= kept


async def test_a_store_that_replaces_what_is_there_is_refused_at_the_start(settings: Settings) -> None:
    with object_store_server(heeds_conditions=False) as endpoint:
        store = settings.object_store.model_copy(update={"endpoint": endpoint, "bucket": BUCKET})
        elsewhere = settings.model_copy(update={"object_store": store})
        async with asyncio.timeout(60):
            with pytest.raises(ExceptionGroup) as caught:
                await serve_ingest(elsewhere, asyncio.Event())
    assert caught.group_contains(OverwritingStore, match="If-None-Match")
