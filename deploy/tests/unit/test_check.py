"""Every way in which access.yaml may part from the project is told, in a sentence that names it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from attendance_deploy.__main__ import cli
from attendance_deploy.access.check import differences
from attendance_deploy.access.grants import granted_roles, table_grants
from attendance_deploy.access.permissions import read_permissions
from attendance_deploy.errors import Refused
from attendance_projector.store.roles import FEED, READER, WRITER

of = "identities"
CHANGES = {
    "schemas/topics/punches.yaml has ingest among its producers, and access.yaml does not let it": (
        lambda file: file[of]["ingest"]["kafka"]["produces"].remove("attendance.punches")
    ),
    "access.yaml lets query-api use attendance.gallery, and schemas/topics/gallery.yaml does not have it as "
    "consumers": lambda file: file[of]["query-api"]["kafka"]["follows"].append("attendance.gallery"),
    "gateway: there is no topic attendance.nothing": lambda file: file[of]["gateway"].update(
        kafka={"follows": ["attendance.nothing"]}
    ),
    "schemas/every-topic.yaml has attendance.clock.dlq for attendance-projector, and access.yaml for "
    "nobody": (lambda file: file[of]["attendance-projector"]["kafka"].pop("reads_dead_letters")),
    "the migrations grant to attendance_feed, and no identity of access.yaml is a member of it": (
        lambda file: file[of]["attendance-feed"]["postgres"].update(role="attendance_writer")
    ),
    "access.yaml has the role attendance_boss, and the migrations do not know it": (
        lambda file: file[of]["attendance-feed"]["postgres"].update(role="attendance_boss")
    ),
    "ingest listens on 8001 by default, and on 8009 by access.yaml": (
        lambda file: file[of]["ingest"].update(port=8009)
    ),
    "attendance-feed and attendance-projector listen on the same port 8003": (
        lambda file: file[of]["attendance-feed"].update(port=8003)
    ),
    "recognition-worker reads OBJECT_STORE_*, and access.yaml gives it no section object_store": (
        lambda file: file[of]["recognition-worker"].pop("object_store")
    ),
    "recognition-worker reads no VALKEY_*, and access.yaml gives it a section valkey": (
        lambda file: file[of]["recognition-worker"].update(valkey={"keys": ["*"], "commands": ["get"]})
    ),
    "query-api reads AUTH_*, and access.yaml gives it no call of identity-provider": (
        lambda file: file[of]["query-api"]["calls"].remove("identity-provider")
    ),
}


def test_the_file_agrees_with_the_project() -> None:
    result = CliRunner().invoke(cli, ["access", "check"])
    assert (result.exit_code, result.stdout) == (
        0,
        "access.yaml agrees with the topics, the migrations and the settings\n",
    )


@pytest.mark.parametrize("sentence", CHANGES)
def test_a_difference_is_a_sentence(sentence: str, changed: Callable) -> None:
    assert sentence in differences(changed(CHANGES[sentence]))


def test_a_difference_fails_the_command(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    text = (Path(__file__).parents[2] / "access.yaml").read_text()
    file.write_text(text.replace("port: 8001", "port: 8009"))
    result = CliRunner().invoke(cli, ["access", "check", "--file", str(file)])
    assert result.exit_code == 1
    assert "ingest listens on 8001" in result.stdout


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file[of]["ingest"].update(portt=1),
        lambda file: file[of]["ingest"]["calls"].append("nobody"),
        lambda file: file[of]["ingest"]["calls"].append("prepare"),
        lambda file: file[of]["attendance-projector"]["kafka"].pop("group"),
        lambda file: file[of]["query-api"]["postgres"].update(login='x"; DROP TABLE day'),
        lambda file: file[of]["query-api"]["postgres"].update(owns="attendance"),
        lambda file: file["servers"].update(ingest={"port": 1}),
        lambda file: file[of]["ingest"]["object_store"].update({"captures/": ["take"]}),
    ],
)
def test_what_means_nothing_is_refused(change: Callable, changed: Callable) -> None:
    with pytest.raises(ValidationError):
        changed(change)


def test_a_refused_file_says_where(tmp_path: Path) -> None:
    file = tmp_path / "access.yaml"
    file.write_text("servers: {}\nidentities: {ingest: {port: high}}\n")
    with pytest.raises(Refused, match=r"identities\.ingest\.port"):
        read_permissions(file)


def test_grants_are_read_from_the_migrations() -> None:
    """By hand, from the end of 0001_read_model.sql."""
    grants = table_grants()
    assert granted_roles() == {WRITER, FEED, READER}
    assert grants[FEED]["outbox"] == {"SELECT", "DELETE", "MAINTAIN"}
    assert grants[WRITER]["outbox"] == {"SELECT", "INSERT", "DELETE", "MAINTAIN"}
    assert grants[WRITER]["installation"] == {"SELECT"}
    assert grants[WRITER]["capture"] == {"SELECT", "INSERT", "UPDATE"}
    assert grants[READER]["capture"] == {"SELECT"}
    assert "outbox" not in grants[READER]
    assert all(privileges == {"SELECT"} for privileges in grants[READER].values())
