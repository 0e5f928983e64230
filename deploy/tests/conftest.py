"""The permissions of this version, and others made of them."""

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml

from attendance_deploy.access.permissions import Permissions, read_permissions


@pytest.fixture(scope="session")
def permissions() -> Permissions:
    return read_permissions()


@pytest.fixture
def changed() -> Callable[[Callable[[Any], object]], Permissions]:
    """Permissions after a change of the file's document."""
    text = files("attendance_deploy").joinpath("access.yaml").read_text(encoding="utf-8")

    def make(change: Callable[[Any], object]) -> Permissions:
        document = yaml.safe_load(text)
        change(document)
        return Permissions.model_validate(document)

    return make
