"""Another organisation's rows, and other sites' rows for whoever is limited to sites, are never visible."""

from collections.abc import Callable

import asyncpg
import httpx
import pytest

from local_stack.for_tests.databases import Database

pytestmark = pytest.mark.integration

As = Callable[[str], dict[str, str]]
YEAR = "from=2026-01-01&to=2026-12-31"
QUARTER = "from=2026-02-01T00:00:00Z&to=2026-04-30T00:00:00Z"
CAPTURE = "/v1/captures/019cac8c-6d40-7c3a-9b1e-0000000000"
ENROLMENT = "/v1/enrolments/019cac8c-6d40-7c3a-9b1e-0000000000"
LISTS = [
    f"/v1/attendance?{YEAR}",
    f"/v1/adjustments?{YEAR}",
    f"/v1/period-locks?{YEAR}",
    f"/v1/unscheduled?{YEAR}",
    "/v1/presence",
    f"/v1/captures?{QUARTER}",
    "/v1/people",
]
# What only the first organisation has: these must not appear for the second, even though two of the second's
# rows name them by id.
ACME_ONLY = ["Asha Rao", "Bela Das", "Carlos", "Pune plant", "Goa plant", "p-2", "p-3", "B-77"]


@pytest.mark.parametrize("route", LISTS)
async def test_lists_show_one_organisation(client: httpx.AsyncClient, as_caller: As, route: str) -> None:
    acme = await client.get(route, headers=as_caller("acme"))
    assert acme.status_code == 200
    assert "Asha Rao" in acme.text
    assert "umbrella" not in acme.text
    umbrella = await client.get(route, headers=as_caller("umbrella"))
    assert umbrella.status_code == 200
    assert "umbrella" in umbrella.text
    assert [text for text in ACME_ONLY if text in umbrella.text] == []


@pytest.mark.parametrize(
    "route",
    [
        f"/v1/attendance?{YEAR}&person=umbrella-1",
        f"/v1/attendance?{YEAR}&site=umbrella-site",
        f"/v1/adjustments?{YEAR}&person=umbrella-1",
        f"/v1/unscheduled?{YEAR}&person=umbrella-1",
        "/v1/presence?site=umbrella-site",
        f"/v1/captures?{QUARTER}&site=umbrella-site",
        f"/v1/captures?{QUARTER}&device=umbrella-kiosk",
        f"/v1/captures?{QUARTER}&person=umbrella-1",
        "/v1/people?q=umbrella",
        "/v1/people?site=umbrella-site",
    ],
)
async def test_asking_for_another_organisation_by_name_gives_nothing(
    client: httpx.AsyncClient, as_caller: As, route: str
) -> None:
    response = await client.get(route, headers=as_caller("acme"))
    assert response.status_code == 200
    body = response.json()
    assert body.get("items", body.get("people")) == []


@pytest.mark.parametrize("route", LISTS)
async def test_no_rows_and_no_organisation_are_told_apart(
    client: httpx.AsyncClient, as_caller: As, read_database: Database, route: str
) -> None:
    unrecorded = await client.get(route, headers=as_caller("initech"))
    assert (unrecorded.status_code, unrecorded.json()["type"]) == (404, "urn:problem:unknown-organisation")
    assert "no organisation initech is recorded" in unrecorded.json()["detail"]
    connection = await asyncpg.connect(read_database.url, ssl=False)
    await connection.execute(
        "INSERT INTO attendance.organisation (org_id, name, time_zone) VALUES ('initech', 'Initech', 'UTC')"
    )
    await connection.close()
    empty = await client.get(route, headers=as_caller("initech"))
    assert (empty.status_code, empty.json().get("items", empty.json().get("people"))) == (200, [])


@pytest.mark.parametrize(
    ("caller", "route"),
    [
        ("acme", f"/v1/people/umbrella-1/attendance?{YEAR}"),
        ("umbrella", f"/v1/people/p-1/attendance?{YEAR}"),
        ("acme", f"{CAPTURE}0a"),
        ("acme", f"{CAPTURE}0b"),
        ("kiosk-3", f"{CAPTURE}0b"),
        ("umbrella", f"{CAPTURE}01"),
        ("acme", f"{ENROLMENT}ea"),
        ("umbrella", f"{ENROLMENT}e1"),
        ("pune", f"/v1/people/p-2/attendance?{YEAR}"),
        ("pune", f"{CAPTURE}02"),
        ("nowhere", f"{CAPTURE}01"),
        ("nowhere", f"{ENROLMENT}e1"),
        ("nowhere", f"/v1/people/p-1/attendance?{YEAR}"),
    ],
)
async def test_ids_out_of_scope_are_unknown(
    client: httpx.AsyncClient, as_caller: As, caller: str, route: str
) -> None:
    response = await client.get(route, headers=as_caller(caller))
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_own_ids_are_known_and_foreign_names_do_not_come_along(
    client: httpx.AsyncClient, as_caller: As
) -> None:
    for route in (f"{CAPTURE}0b", f"{ENROLMENT}ea"):
        body = (await client.get(route, headers=as_caller("umbrella"))).json()
        assert (body["person_id"], body["display_name"]) == ("p-1", None)


@pytest.mark.parametrize("route", LISTS)
async def test_sites_limit_lists(client: httpx.AsyncClient, as_caller: As, route: str) -> None:
    pune = (await client.get(route, headers=as_caller("pune"))).text
    assert "pune-1" in pune
    assert "goa-1" not in pune
    assert "Bela" not in pune
    nowhere = (await client.get(route, headers=as_caller("nowhere"))).json()
    assert nowhere.get("items", nowhere.get("people")) == []


async def test_a_cursor_of_another_organisation_moves_within_ones_own_rows(
    client: httpx.AsyncClient, as_caller: As
) -> None:
    following = (await client.get(f"/v1/attendance?{YEAR}&limit=1", headers=as_caller("acme"))).json()["next"]
    text = (await client.get(following, headers=as_caller("umbrella"))).text
    assert [secret for secret in ACME_ONLY if secret in text] == []
