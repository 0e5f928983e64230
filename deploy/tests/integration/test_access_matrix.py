"""Each identity at everything that a server has: what access.yaml allows goes, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from attendance_testing.access import certificate_matrix, kafka_matrix, postgres_matrix, store_matrix
from attendance_testing.access.installation import Installation
from attendance_testing.access.outcomes import Outcome, as_table, summary
from local_stack.services.kafka import BROKER

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def tried(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Everything, at every server; with `-s` it is printed."""
    scratch: Path = tmp_path_factory.mktemp("certificates")
    found = [
        *certificate_matrix.outcomes(installation, scratch),
        *kafka_matrix.outcomes(installation),
        *asyncio.run(_all(postgres_matrix.outcomes(installation))),
        *store_matrix.object_outcomes(installation),
        *asyncio.run(_all(store_matrix.valkey_outcomes(installation))),
    ]
    print(f"\n{as_table(found)}\n{summary(found)}")
    return found


async def _all(outcomes: AsyncIterator[Outcome]) -> list[Outcome]:
    return [each async for each in outcomes]


@pytest.mark.parametrize("server", ["kafka", "postgres", "object-store", "valkey"])
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
    from attendance_deploy.access.kafka import Acl, AclPlan, apply_acls
    from attendance_deploy.access.kafka_admin import administrator

    admin = administrator(installation.kafka_environ(installation.certificate(BROKER)))
    acl = Acl(principal, "TOPIC", "LITERAL", f"{installation.prefix}attendance.gallery", "READ")
    apply_acls(admin, AclPlan(missing=[acl]))


def test_who_is_no_super_user_makes_no_acls(installation: Installation) -> None:
    environ = installation.kafka_environ(installation.certificate("ingest"))
    with pytest.raises(RuntimeError, match="ACLs are made by a principal of the brokers"):
        installation.run("attendance_deploy", "access", "kafka", "--apply", environ=environ)
