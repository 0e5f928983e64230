"""The model files, prepared once, and the photos of real faces where there are some."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from attendance_testing.faces import faces_dir, pytest_collection_modifyitems
from recognition_worker.adapters.models.packaged_models import ModelFiles, prepare_models

__all__ = ["faces_dir", "pytest_collection_modifyitems"]

WITH_MODELS = ("recognition-worker/tests/contract/", "recognition-worker/tests/integration/")


class OneProcessHasTheModels(LoadGroupScheduling):
    """Give what loads models to one process; TensorFlow is large."""

    def _split_scope(self, nodeid: str) -> str:
        return "models" if nodeid.startswith(WITH_MODELS) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneProcessHasTheModels | None:
    return OneProcessHasTheModels(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> ModelFiles:
    return prepare_models(tmp_path_factory.mktemp("models"))
