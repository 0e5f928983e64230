import re
from pathlib import Path

import pytest

from attendance_containers.kubernetes.archive import context_files

ROOT = Path(__file__).parents[5]
COPIED = re.compile(r"^COPY (?!--from)(?P<sources>.+) \S+$", re.MULTILINE)


def test_whatever_the_dockerfile_copies_is_given_to_the_build() -> None:
    given = {path.relative_to(ROOT) for path in context_files(ROOT)}
    folders = {parent for path in given for parent in path.parents}
    copied = COPIED.findall((ROOT / "deploy/Dockerfile").read_text())
    assert len(copied) > 10
    for source in (Path(each) for line in copied for each in line.split()):
        assert source in given | folders, source


def test_tests_and_what_python_leaves_behind_are_not_given(tmp_path: Path) -> None:
    for name in (
        "kit/src/one.py",
        "kit/tests/two.py",
        "kit/src/__pycache__/one.pyc",
        "other/three.py",
        "one.lock",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".dockerignore").write_text(
        "# What is taken.\n*\n!one.lock\n!kit\n**/tests\n**/__pycache__\n"
    )
    assert [path.name for path in context_files(tmp_path)] == ["one.lock", "one.py"]


@pytest.mark.parametrize("folder", ["deploy/gateway", "schemas/topics", "attendance-projector/src"])
def test_a_folder_of_the_product_is_given(folder: str) -> None:
    assert any((ROOT / folder) in path.parents for path in context_files(ROOT))
