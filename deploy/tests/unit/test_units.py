"""The systemd units: systemd reads them without a complaint, and each is walled in like all others."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNITS = ROOT / "deploy/systemd"
SERVICES = (
    *("ingest", "query-api", "attendance-projector", "attendance-feed", "recognition-worker@"),
    "attendance-reconcile",
)
INSTALLED = "/opt/attendance/.venv/bin/"
# Of 10, by systemd's own measure; 10 is no wall at all.
MOST_EXPOSED = 2.5


def text_of(unit: str) -> str:
    return (UNITS / unit).read_text(encoding="utf-8")


def walls(service: str) -> str:
    block = text_of(f"{service}.service").split("# Nothing but its own port")[1].split("[Install]")[0]
    return re.sub(r"(# A GPU is a device\.\n)?PrivateDevices=.*\n", "", block).rstrip()


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_walls(service: str) -> None:
    assert walls(service) == walls("ingest")


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_gets_its_own_secrets_and_no_others(service: str) -> None:
    text = text_of(f"{service}.service")
    user = re.findall(r"^User=(.+)$", text, re.MULTILINE)
    assert user == [service.removesuffix("@")]
    loaded = re.findall(r"^LoadCredential=(\w+):/etc/attendance/secrets/([\w-]+)/(\w+)$", text, re.MULTILINE)
    assert loaded
    assert all(name == file and owner == user[0] for name, owner, file in loaded)


def test_every_user_is_made() -> None:
    made = re.findall(r"^u ([\w-]+)", text_of("attendance.sysusers"), re.MULTILINE)
    assert sorted(made) == sorted(service.removesuffix("@") for service in SERVICES)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they are, but for where the programs lie."""
    for file in UNITS.iterdir():
        if file.suffix in {".service", ".target", ".timer"}:
            text = file.read_text(encoding="utf-8").replace(INSTALLED, f"{sys.prefix}/bin/")
            (tmp_path / file.name).write_text(text.replace("/opt/attendance", str(ROOT)))
    return tmp_path


@pytest.mark.systemd
def test_systemd_reads_the_units_without_a_complaint(installed: Path) -> None:
    units = sorted(str(file) for file in installed.iterdir())
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in ended.stderr.splitlines() if str(installed) in line or "attendance" in line]
    assert ours == []


@pytest.mark.systemd
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_hardly_exposed(installed: Path, service: str) -> None:
    ended = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:.0f}",
         f"{installed}/{service}.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-2000:]
