"""One capture through everything, and the same capture again."""

from dataclasses import replace

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
