"""Captures and punches of devices follow the same rules: fields, resends, numbers, clocks and answers."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from attendance_testing.fake_tokens import GATE

Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(params=["capture", "punch"])
def send(request: pytest.FixtureRequest, front, picture, now, new_capture_id) -> Send:
    """Send a capture, then the same as a punch; changes are to their fields, `...` leaves one out."""
    image = ("a.png", picture(size=(9, 9), kind="PNG"), "image/png")
    clocks = {"captured_at": (now - timedelta(seconds=1)).isoformat(), "device_now": now.isoformat()}
    usual = clocks | {"device_sequence": 1, "direction": "IN"}
    first_id = str(new_capture_id())

    async def post(identity: object = first_id, headers: object = GATE, **changes: object) -> httpx.Response:
        name = f"{request.param}_id"
        fields = usual | {name: str(identity)} | changes
        if request.param == "punch":
            fields = {"method": "badge", "badge": "B-7"} | fields
        sent = {key: value for key, value in fields.items() if value is not ...}
        if request.param == "punch":
            return await front.post("/v1/punches", sent, headers)
        files = {"image": image, "metadata": (None, json.dumps(sent))}
        return await front.client.post("/v1/captures", headers=headers, files=files)

    return post


async def test_the_answer_says_when_it_happened_and_how_far_that_is_believed(send, now):
    answer = await send()
    assert answer.status_code == 202, answer.text
    assert answer.json()["occurred_at"] == (now - timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    assert answer.json()["received_at"] == now.isoformat().replace("+00:00", "Z")
    assert (answer.json()["time_trust"], answer.json()["device_sequence_acknowledged"]) == ("SYNCED", 1)


@pytest.mark.parametrize(
    "changes",
    [
        *({"battery": 80}, {"org_id": "globex"}, {"direction": "in"}, {"direction": "SIDEWAYS"}),
        *({"direction": 1}, {"device_sequence": True}, {"captured_at": 0}),
    ],
)
async def test_unknown_fields_and_values_are_refused(send, publisher, changes):
    refused = await send(**changes)
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"].partition(".")[2] == next(iter(changes))
    assert publisher.published == []


@pytest.mark.parametrize(
    "changes",
    [
        {"captured_at": "2026-03-01T02:00:00Z"},
        {"direction": "OUT"},
        {"direction": None},
        {"device_sequence": 2},
    ],
)
async def test_the_same_id_with_other_content_is_refused(send, publisher, changes):
    assert (await send()).status_code == 202
    refused = await send(**changes)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem:id-in-use")
    assert len(publisher.published) == 1


async def test_a_resend_may_tell_the_time_of_the_upload_only(send, publisher, clock):
    first = await send()
    clock.advance(hours=5)
    again = await send(device_now=clock.now.isoformat(), monotonic_now_ms=7, boot_id_now="b")
    assert again.json() == first.json()
    assert publisher.published[0] == publisher.published[1]


async def test_a_number_is_of_one_id(front, send, publisher, new_capture_id):
    for number in (1, 2, 5):
        assert (await send(new_capture_id(), device_sequence=number)).status_code == 202
    new = new_capture_id()
    refused = await send(new, device_sequence=2)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem:sequence-in-use")
    assert refused.json()["highest_device_sequence"] == 5
    assert f"count on after 5, and send {new} with a new number" in refused.json()["detail"]
    refusals = {"reason": "sequence-in-use"}
    assert front.registry.get_sample_value("ingest_refusals_total", refusals) == 1
    assert len(publisher.published) == 3
    # The number of the gap is free, and what was refused is taken with a number of its own.
    assert (await send(new_capture_id(), device_sequence=3)).status_code == 202
    assert (await send(new, device_sequence=6)).json()["device_sequence_acknowledged"] == 3


async def test_a_device_that_sent_the_last_number_of_all_is_not_stuck(send, new_capture_id):
    for number in (1, 2, 2**53 - 1):
        assert (await send(new_capture_id(), device_sequence=number)).status_code == 202
    # It lost its count, and begins again.
    new = new_capture_id()
    highest = (await send(new, device_sequence=1)).json()["highest_device_sequence"]
    assert (await send(new, device_sequence=highest + 1)).status_code == 202


async def test_a_number_that_kafka_did_not_take_is_still_free(send, publisher):
    publisher.is_away = True
    assert (await send()).status_code == 503
    publisher.is_away = False
    assert (await send()).status_code == 202
    assert (await send()).status_code == 202


async def test_while_numbers_are_not_known_none_is_refused(send, sequences, publisher, new_capture_id):
    assert (await send()).status_code == 202
    sequences.is_away = True
    assert (await send(new_capture_id())).json()["device_sequence_acknowledged"] is None
    assert len(publisher.published) == 2


@pytest.mark.parametrize(
    ("captured_at", "device_now", "seconds_ago"),
    [
        ("1970-01-01T00:05:00Z", "1970-01-01T00:06:00Z", 60),
        ("2063-04-05T00:00:00Z", "2063-04-05T00:00:07Z", 7),
        ("2063-04-05T00:00:00Z", "2063-04-05T00:00:00Z", 0),
        ("2063-04-05T00:00:00Z", "2026-03-02T02:31:07.911Z", 0),
        ("2063-04-05T00:00:00Z", ..., 0),
        ("2063-04-05T00:00:00Z", "1970-01-01T00:00:00Z", 0),
    ],
)
async def test_a_clock_that_cannot_be_is_not_trusted_and_the_answer_says_so(
    send, now, captured_at, device_now, seconds_ago
):
    answer = await send(captured_at=captured_at, device_now=device_now)
    happened = (now - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")
    assert answer.status_code == 202, answer.text
    assert (answer.json()["time_trust"], answer.json()["occurred_at"]) == ("UNTRUSTED", happened)


@pytest.mark.parametrize("device_now", [..., "2026-03-02T02:31:07.911Z"])
async def test_a_clock_that_says_nothing_is_refused_for_good_with_what_to_do(
    send, publisher, new_capture_id, device_now
):
    refused = await send(captured_at="1970-01-01T00:05:00Z", device_now=device_now)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:problem:too-long-ago")
    assert ("let it send device_now" in refused.json()["detail"]) == (device_now is ...)
    assert "make a correction for what is missing" in refused.json()["detail"]
    assert publisher.published == []
    assert (await send(new_capture_id())).status_code == 202
