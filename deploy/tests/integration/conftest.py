"""One installation on secured servers, with its services, for all tests of a run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attendance_testing.access.installation import Installation, installed
from attendance_testing.access.services import SecuredService, serving
from local_stack.settings import cache_folder


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config, worker_id: str) -> Iterator[Installation]:
    root = pytestconfig.rootpath
    folder = root / ".local-stack" / f"secured-{worker_id}"
    with installed(folder, cache_folder(root=root)) as made:
        yield made


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def services(installation: Installation, logs: Path) -> Iterator[dict[str, SecuredService]]:
    with serving(installation, logs) as started:
        yield started
