import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import httpx
import msgspec
import pytest

from attendance_schemas.topics import DIRECTORY
from attendance_testing.fake_tokens import bearer

KINDS = {
    "capture": "a capture",
    "punch": "a punch",
    "additions": "an addition",
    "voids": "a void",
    "overrides": "an override",
    "reviews": "a review",
    "locks": "a lock",
    "reopenings": "a reopening",
    "enrolment": "an enrolment",
}
Send = Callable[..., Awaitable[httpx.Response]]


def corrections(ids: Mapping[str, UUID]) -> dict[str, dict[str, object]]:
    return {
        "additions": {"person_id": "p-2", "punched_at": "2026-03-01T16:30:00+05:30"},
        "voids": {"person_id": "p-2", "punch_id": str(ids["punch"])},
        "overrides": {"person_id": "p-2", "attendance_on": "2026-03-01", "status": "leave"},
        "reviews": {"person_id": "p-2", "capture_id": str(ids["capture"])},
    }


@pytest.fixture
async def send(front, directory, images, picture, now, accepted, remember_for) -> Send:
    """Send something of a kind under an id, by acme or by globex, which have the same ids."""
    for each in list(directory.view.records.values()):
        if each.org_id == "acme":
            twin = msgspec.structs.replace(each, org_id="globex")
            directory.view.apply(DIRECTORY.key_of(twin).decode(), twin)
    await remember_for("globex")
    at, image = now.isoformat(), ("a.png", picture(size=(9, 9), kind="PNG"), "image/png")
    clocks: dict[str, object] = {"device_sequence": 1, "captured_at": at, "device_now": at}

    async def post(kind: str, identity: str, tenant: str = "acme") -> httpx.Response:
        device, hr = bearer("gate-1", "device", tenant=tenant), bearer("hr-1", "hr", tenant=tenant)
        if kind == "capture":
            files = {"image": image, "metadata": (None, json.dumps(clocks | {"capture_id": identity}))}
            return await front.client.post("/v1/captures", headers=device, files=files)
        if kind == "punch":
            document = clocks | {"punch_id": identity, "method": "badge", "badge": "B-7"}
            return await front.post("/v1/punches", document, device)
        if kind == "enrolment":
            metadata = {"enrolment_id": identity, "person_id": "p-2", "consent_reference": "c/1"}
            files = {"photos": image, "metadata": (None, json.dumps(metadata))}
            return await front.client.post("/v1/enrolments", headers=hr, files=files)
        if kind == "locks":
            document = {
                "lock_id": identity,
                "starts_on": "2026-02-01",
                "ends_on": "2026-02-28",
                "reason": "x",
            }
            return await front.post("/v1/periods/locks", document, hr)
        if kind == "reopenings":
            document = {"reopening_id": identity, "lock_id": str(accepted["lock"]), "reason": "x"}
            return await front.post("/v1/periods/reopenings", document, hr)
        document = {"correction_id": identity, "reason": "x"} | corrections(accepted)[kind]
        return await front.post(f"/v1/corrections/{kind}", document, hr)

    return post


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
async def test_an_id_that_names_something_is_refused_for_another_kind(
    send, publisher, new_capture_id, first, second
):
    identity = str(new_capture_id())
    accepted = await send(first, identity)
    assert accepted.status_code == 202, accepted.text
    refused = await send(second, identity)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:problem:id-in-use")
    assert f"{identity} is already {KINDS[first]};" in refused.json()["detail"]
    # Another organisation is not told, and the first one still gets the same answer.
    assert (await send(second, identity, "globex")).status_code == 202
    assert (await send(first, identity)).json() == accepted.json()
    assert [event.org_id for _, event in publisher.published] == ["acme", "globex", "acme"]
    assert publisher.published[0] == publisher.published[2]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_id_of_two_organisations_is_two_things(send, publisher, images, new_capture_id, kind):
    identity = str(new_capture_id())
    for tenant in ("acme", "globex"):
        assert (await send(kind, identity, tenant)).status_code == 202
    (first_topic, first), (topic, second) = publisher.published
    assert first.event_id != second.event_id
    assert first_topic.key_of(first) != topic.key_of(second)
    of_acme = {key for key in images.objects if "/acme/" in key}
    theirs = {key.replace("/acme/", "/globex/") for key in of_acme}
    if kind == "additions":  # the id of the punch that it adds is made of the organisation, too
        theirs = {key.replace(str(first.punch_id), str(second.punch_id)) for key in theirs}
    assert theirs == images.objects.keys() - of_acme
