"""The services do their work with the permissions of access.yaml, and every server refuses all else.

One file, since all of it is about one installation on servers of its own. A day of work comes first: the
matrix then writes where it may.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest
import yaml

from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.kiosk import Kiosk
from attendance_demo.scene.morning import plan_morning
from attendance_demo.scene.plant import Plant
from attendance_deploy.access.kafka import Acl, AclPlan, apply_acls
from attendance_deploy.access.kafka_admin import administrator as kafka_administrator
from attendance_deploy.access.permissions import Permissions
from attendance_deploy.access.postgres import accesses, apply_logins, database_of
from attendance_testing.access import (
    certificate_matrix,
    kafka_matrix,
    postgres_matrix,
    service_matrix,
    store_matrix,
)
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome, as_table, summary
from attendance_testing.access.services import COMMANDS, SecuredService, client_context
from attendance_testing.polling import eventually
from local_stack.keys.tokens import sign_token
from local_stack.services.kafka import BROKER

pytestmark = [pytest.mark.end_to_end, pytest.mark.secured]

PREFIX = "made_"
ADMINISTRATOR = "made_by"


async def test_a_capture_becomes_a_day_with_their_permissions_alone(
    installation: Installation, services: dict[str, SecuredService], logs: Path
) -> None:
    stack = installation.stack
    run = installation.prefix[1:-1]
    cast = packaged_cast(stack.cache.folder / "photos", run)
    member = cast.members[0]

    def sign(role: str, subject: str) -> str:
        return sign_token(stack.folder, roles=[role], subject=subject, organisation=f"acme-{run}")

    ingest, query_api = services["ingest"].url, services["query-api"].url
    # People and devices come through the gateway.
    gateway = client_context(installation.certificate("gateway"))
    async with httpx.AsyncClient(timeout=30, verify=gateway) as client:
        plant = Plant(run, client, ingest, query_api, sign)
        await plant.record(plan_morning(cast, datetime.now(UTC)), cast.members)
        assert set((await plant.enrol(cast.members)).values()) == {"ENROLLED"}
        device = plant.own("gate-1")
        kiosk = Kiosk(device, sign("device", device), ingest, query_api, client)
        shot = kiosk.take(member.captures[0], datetime.now(UTC) - timedelta(seconds=5), "IN")
        answer = await kiosk.send(shot)
        assert answer.status == 202
        shown = await kiosk.result(shot.capture_id, wait=20)
        assert shown is not None
        assert (shown["outcome"], shown["person_id"]) == ("IDENTIFIED", member.person_id)
        # What each server is asked for beside: sequences in Valkey, the day, presence from Valkey.
        again = await kiosk.send(kiosk.take(member.captures[1], datetime.now(UTC), "IN"))
        assert again.body["device_sequence_acknowledged"] == 2, again.body

        # Its local date, whatever the zone.
        on = shot.captured_at.date()

        async def days() -> list[object]:
            found = await client.get(
                f"{query_api}/v1/people/{member.person_id}/attendance",
                params={"from": f"{on - timedelta(days=1)}", "to": f"{on + timedelta(days=1)}"},
                headers=plant.headers("analyst"),
            )
            return found.raise_for_status().json()["days"]

        async def told_by_the_cache() -> bool:
            present = await client.get(f"{query_api}/v1/presence", headers=plant.headers("analyst"))
            present.raise_for_status()
            metrics = (await client.get(f"{query_api}/metrics")).text
            return 'query_api_presence_answers_total{source="cache"}' in metrics

        assert await eventually(days)
        assert await eventually(told_by_the_cache)
    await asyncio.to_thread(_assert_nothing_refused, logs)


def _assert_nothing_refused(logs: Path) -> None:
    words = ("Authorization", "AccessDenied", "NOPERM", "InsufficientPrivilege", "permission denied")
    refused = [
        f"{log.stem}: {line}"
        for log in sorted(logs.glob("*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if any(word in line for word in words)
    ]
    assert refused == []


@pytest.fixture(scope="module")
def tried(
    installation: Installation,
    services: dict[str, SecuredService],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Outcome]:
    """Everything, at every server; with `-s` it is printed."""
    scratch: Path = tmp_path_factory.mktemp("certificates")
    found = [
        *certificate_matrix.outcomes(installation, scratch),
        *service_matrix.outcomes(installation, services, scratch),
        *kafka_matrix.outcomes(installation),
        *asyncio.run(_all(postgres_matrix.outcomes(installation))),
        *asyncio.run(_all(postgres_matrix.strangers(installation, scratch))),
        *store_matrix.object_outcomes(installation),
        *asyncio.run(_all(store_matrix.valkey_outcomes(installation))),
    ]
    print(f"\n{as_table(found)}\n{summary(found)}")
    return found


async def _all(outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
    return [each async for each in outcomes]


@pytest.mark.parametrize("server", ["kafka", "postgres", "object-store", "valkey", *COMMANDS])
def test_a_server_does_what_the_file_says(tried: list[Outcome], server: str) -> None:
    of_server = [each for each in tried if each.server == server]
    assert [each for each in of_server if not each.is_right] == []
    assert {each.did for each in of_server} == {True, False}


def test_acls_are_made_once_and_taken_back(installation: Installation) -> None:
    assert installation.apply_acls("--apply").strip() == "nothing to do"
    by_hand = ("User:query-api", "User:somebody")
    for principal in by_hand:
        _add_acl(installation, principal)
    lines = installation.apply_acls("--apply").splitlines()
    topic = f"{installation.prefix}attendance.gallery"
    assert lines == [f"remove User:query-api may READ TOPIC {topic}"]
    assert installation.apply_acls("--dry-run").strip() == "nothing to do"


def _add_acl(installation: Installation, principal: str) -> None:
    admin = kafka_administrator(installation.kafka_environ(installation.certificate(BROKER)))
    acl = Acl(principal, "TOPIC", "LITERAL", f"{installation.prefix}attendance.gallery", "READ")
    apply_acls(admin, AclPlan(missing=[acl]), AclPlan)


def test_who_is_no_super_user_makes_no_acls(installation: Installation) -> None:
    environ = installation.kafka_environ(installation.certificate("ingest"))
    with pytest.raises(RuntimeError, match="ACLs are made by a principal of the brokers"):
        installation.run("attendance_deploy", "access", "kafka", "--apply", environ=environ)


@pytest.fixture
def renamed(permissions: Permissions) -> Permissions:
    """The permissions with other names: the installation has the real ones."""
    document = permissions.model_dump(mode="json")
    for identity in document["identities"].values():
        for field in ("login", "role", "owns"):
            if identity["postgres"] and identity["postgres"][field]:
                identity["postgres"][field] = PREFIX + identity["postgres"][field]
    return Permissions.model_validate(yaml.safe_load(yaml.safe_dump(document)))


@pytest.fixture
async def administrator(
    installation: Installation, renamed: Permissions
) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(installation.env.postgres_admin_url, ssl=False)
    await connection.execute(f"CREATE ROLE {ADMINISTRATOR} CREATEROLE CREATEDB")
    await connection.execute(f"SET ROLE {ADMINISTRATOR}")
    yield connection
    await connection.execute("RESET ROLE")
    await connection.execute(f"DROP DATABASE IF EXISTS {database_of(renamed)}")
    found = accesses(renamed).values()
    for name in (*(each.login for each in found), *(each.role for each in found if each.role)):
        await connection.execute(f"DROP ROLE IF EXISTS {name}")
    await connection.execute(f"DROP ROLE {ADMINISTRATOR}")
    await connection.close()


async def state_of(connection: asyncpg.Connection, permissions: Permissions) -> list[object]:
    rights = "SELECT datacl::text FROM pg_database WHERE datname = $1"
    members = (
        "SELECT roleid::regrole::text, member::regrole::text, set_option FROM pg_auth_members"
        " WHERE starts_with(member::regrole::text, $1) ORDER BY 1, 2"
    )
    found = await connection.fetch(members, PREFIX)
    return [await connection.fetchval(rights, database_of(permissions)), *(tuple(each) for each in found)]


async def test_no_superuser_is_needed_and_again_nothing_changes(
    administrator: asyncpg.Connection, renamed: Permissions
) -> None:
    await apply_logins(administrator, renamed)
    first = await state_of(administrator, renamed)
    assert (f"{PREFIX}attendance_reader", f"{PREFIX}query_api", True) in first
    # Nobody keeps what was needed to make the database.
    assert (f"{PREFIX}attendance_owner", ADMINISTRATOR, True) not in first
    assert "=Tc" not in str(first[0]).replace(f"{PREFIX}attendance_projector=Tc", "").replace("=CTc", "")
    await apply_logins(administrator, renamed)
    assert await state_of(administrator, renamed) == first


async def test_what_was_given_by_hand_is_taken_back(
    administrator: asyncpg.Connection, renamed: Permissions
) -> None:
    await apply_logins(administrator, renamed)
    first = await state_of(administrator, renamed)
    reader, database = f"{PREFIX}query_api", database_of(renamed)
    await administrator.execute("RESET ROLE")
    await administrator.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {reader}")
    await administrator.execute(f"SET ROLE {ADMINISTRATOR}")
    await administrator.execute(f"GRANT {PREFIX}attendance_writer TO {reader}")
    assert await state_of(administrator, renamed) != first
    await apply_logins(administrator, renamed)
    assert await state_of(administrator, renamed) == first


async def test_a_login_above_permissions_is_refused(
    administrator: asyncpg.Connection, renamed: Permissions
) -> None:
    await apply_logins(administrator, renamed)
    await administrator.execute("RESET ROLE")
    await administrator.execute(f"ALTER ROLE {PREFIX}query_api BYPASSRLS")
    await administrator.execute(f"SET ROLE {ADMINISTRATOR}")
    with pytest.raises(asyncpg.RaiseError, match="made_query_api stands above permissions"):
        await apply_logins(administrator, renamed)
