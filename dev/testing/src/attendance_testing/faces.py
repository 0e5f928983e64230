"""Photos of real faces, which are not shipped: in FACES_DIR, else in a folder beside the repository."""

import os
from pathlib import Path

import pytest

_BESIDE_THE_REPOSITORY = Path(__file__).parents[5] / "shared" / "faces" / "lfw300"


def folder_of_faces() -> Path:
    """Return the folder with known/PERSON/N.jpg and unknown/PERSON/N.jpg, whether it is there or not."""
    return Path(os.environ.get("FACES_DIR", _BESIDE_THE_REPOSITORY))


@pytest.fixture(scope="session")
def faces_dir() -> Path:
    return folder_of_faces()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs photos of real faces where there are none; the report counts it as deselected."""
    if (folder_of_faces() / "known").is_dir():
        return
    needing = [item for item in items if "faces_dir" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in needing]
    config.hook.pytest_deselected(items=needing)
