"""One installation on secured servers for all tests of a run."""

from collections.abc import Iterator

import pytest

from attendance_testing.access.installation import Installation, installed
from local_stack.settings import cache_folder


@pytest.fixture(scope="session")
def installation(pytestconfig: pytest.Config, worker_id: str) -> Iterator[Installation]:
    root = pytestconfig.rootpath
    folder = root / ".local-stack" / f"secured-{worker_id}"
    with installed(folder, cache_folder(root=root)) as made:
        yield made
