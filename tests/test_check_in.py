"""One capture through everything, the same capture again, and one that comes after payroll closed its day."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

pytestmark = pytest.mark.end_to_end


async def test_face_at_a_kiosk_becomes_a_row_that_an_analyst_reads(scene):
    member = scene.cast.members[0]
    (shot,) = scene.shots(1)
    (answer,) = await scene.send([shot])
    assert answer.status == 202
    assert answer.body["capture_id"] == str(shot.capture_id)
    assert str(shot.capture_id) in str(answer.body["status_url"])
    shown = await scene.kiosk.result(shot.capture_id, wait=20)
    assert shown["outcome"] == "IDENTIFIED"
    assert shown["person_id"] == member.person_id
    await scene.assert_nothing_lost_or_doubled()
    response = await scene.plant.client.get(
        f"{scene.plant.query_url}/v1/people/{member.person_id}/attendance",
        params={"from": f"{shot.captured_at.date()}", "to": f"{shot.captured_at.date()}"},
        headers=scene.plant.headers("analyst"),
    )
    assert response.status_code == 200
    await late_capture_of_a_closed_period_is_an_adjustment(scene)
    await a_revoked_device_neither_writes_nor_reads(scene, shot)


async def a_revoked_device_neither_writes_nor_reads(scene, shot):
    """In this scene, and its last: what ops say at ingest holds at query-api within seconds."""
    plant, kiosk = scene.plant, scene.kiosk
    result = f"{plant.query_url}/v1/captures/{shot.capture_id}"
    token = {"Authorization": f"Bearer {kiosk.token}"}
    assert (await plant.client.get(result, headers=token)).status_code == 200
    device = {"site_id": plant.own("plant"), "name": "gate-1", "kind": "kiosk", "revoked": True}
    url = f"{plant.ingest_url}/v1/directory/devices/{kiosk.device_id}"
    assert (await plant.client.put(url, headers=plant.headers("ops"), json=device)).status_code == 200

    async def is_refused():
        return (await plant.client.get(result, headers=token)).status_code == 403 or None

    await scene.until(is_refused, within=10, what="query-api refuses the device")
    (another,) = scene.shots(1)
    assert (await kiosk.post(another)).status_code == 403


async def asked(scene, path, *, within=30.0, what, until):
    """Poll a list of query-api as hr until its items are as wished; return them."""

    async def look():
        response = await scene.plant.client.get(
            f"{scene.plant.query_url}/v1/{path}", headers=scene.plant.headers("hr", "hr-1")
        )
        assert response.status_code == 200, response.text
        items = response.json()["items"]
        return (items,) if until(items) else None

    return (await scene.until(look, within=within, what=what))[0]


async def late_capture_of_a_closed_period_is_an_adjustment(scene):
    """In this scene, since all services run: from the door of ingest to what payroll reads."""
    plant, now = scene.plant, datetime.now(UTC)
    member = next(each for each in scene.cast.members if not each.night)
    # Whatever the zone, the late capture is of a date in the period, and the period is over.
    late_at = now - timedelta(days=4, hours=2)
    starts_on, ends_on = ((now - timedelta(days=days)).date() for days in (6, 2))
    booked_on = ends_on + timedelta(days=1)
    lock = {"lock_id": str(uuid4()), "site_id": plant.own("plant"), "reason": "payroll"}
    lock |= {"starts_on": str(starts_on), "ends_on": str(ends_on)}

    async def post(kind, document):
        url, headers = f"{plant.ingest_url}/v1/periods/{kind}", plant.headers("hr", "hr-1")
        response = await plant.client.post(url, headers=headers, json=document)
        assert response.status_code == 202, response.text

    await post("locks", lock)
    locks = f"period-locks?from={ends_on}&to={ends_on}&site={plant.own('plant')}"
    (shown,) = await asked(
        scene,
        locks,
        what="the lock is in force",
        until=lambda items: items and items[0]["state"] == "IN_FORCE",
    )
    assert {name: shown[name] for name in lock} == lock
    assert (shown["locked_by"], shown["person_count"]) == ("hr-1", len(scene.cast.members))
    (answer,) = await scene.send([scene.kiosk.take(member.enrol[0], late_at, "IN")])
    assert answer.status == 202
    adjustments = f"adjustments?from={booked_on}&to={booked_on}&person={member.person_id}"
    (due,) = await asked(scene, adjustments, what="the late capture is an adjustment", until=bool)
    assert (due["status_from"], due["status_to"], due["settled"]) == (None, "INCOMPLETE", False)
    days = f"attendance?from={starts_on}&to={ends_on}&person={member.person_id}"
    assert await asked(scene, days, what="the day stays as it was", until=lambda _: True) == []
    # Opened again, the day is what the rules say, and nothing is left to be adjusted.
    reopening = {"reopening_id": str(uuid4()), "lock_id": lock["lock_id"], "reason": "too early"}
    await post("reopenings", reopening)
    (day,) = await asked(scene, days, what="the day is there", until=bool)
    assert (day["status"], day["locked"]) == ("INCOMPLETE", False)
    assert await asked(scene, adjustments, what="nothing is due", until=lambda _: True) == []
    (shown,) = await asked(scene, locks, what="the lock is on record", until=bool)
    assert (shown["state"], shown["reopened_by"], shown["reopened_because"]) == (
        "REOPENED",
        "hr-1",
        "too early",
    )
    await scene.assert_nothing_lost_or_doubled()


async def test_resent_capture_changes_nothing(scene):
    shots = scene.shots(3)
    first = await scene.send(shots)
    _, before = await scene.assert_nothing_lost_or_doubled()
    again = await scene.send(shots)
    for field in ("capture_id", "received_at", "status_url"):
        assert [answer.body[field] for answer in again] == [answer.body[field] for answer in first]
    assert {answer.body["device_sequence_acknowledged"] for answer in again} == {3}
    log, after = await scene.assert_nothing_lost_or_doubled()
    assert log.resent == 3
    assert sorted(map(str, after.captures)) == sorted(map(str, before.captures))


async def test_another_image_under_the_same_id_is_refused(scene):
    (shot,) = scene.shots(1)
    await scene.send([shot])
    (answer,) = await scene.send([replace(shot, image=scene.cast.strangers[0])])
    assert answer.status == 409
    log, _ = await scene.assert_nothing_lost_or_doubled()
    assert log.resent == 0
