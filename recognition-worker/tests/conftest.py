"""The model files, prepared once, and the photos of real faces where there are some."""

from pathlib import Path

import pytest

from attendance_testing import faces
from attendance_testing.faces import faces_dir
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models

__all__ = ["faces_dir"]

WITH_MODELS = (Path(__file__).parent / "contract", Path(__file__).parent / "integration")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs photos that are not there; let one process alone load the models."""
    faces.pytest_collection_modifyitems(config, items)
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in WITH_MODELS):
            item.add_marker(pytest.mark.xdist_group("models"))


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return prepare_models(tmp_path_factory.mktemp("models"))
