"""The model files, prepared once, and the photos of real faces where there are some."""

import pytest

from attendance_testing.faces import faces_dir, pytest_collection_modifyitems
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models

__all__ = ["faces_dir", "pytest_collection_modifyitems"]


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return prepare_models(tmp_path_factory.mktemp("models"))
