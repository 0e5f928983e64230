"""The house stays in order: what import-linter cannot say about folders and tests."""

import ast
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = ("ingest", "recognition-worker", "attendance-projector", "query-api")
LIBRARIES = ("schemas", "service-kit")
FOR_DEVELOPMENT = tuple(f"dev/{source.parent.name}" for source in sorted((ROOT / "dev").glob("*/src")))
MOST_MODULES_IN_A_FOLDER = 14


def package_of(folder: str) -> str:
    return folder.replace("-", "_")


def modules_below(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*.py") if "__pycache__" not in file.parts)


def imported_names(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("folder", [*SERVICES, *LIBRARIES, *FOR_DEVELOPMENT])
def test_no_folder_holds_more_modules_than_a_newcomer_can_survey(folder: str) -> None:
    counts = Counter(
        str(file.parent.relative_to(ROOT))
        for file in modules_below(ROOT / folder / "src")
        if not file.name.startswith("__") and not {"domain", "migrations"} & set(file.parts)
    )
    assert {name: count for name, count in counts.items() if count > MOST_MODULES_IN_A_FOLDER} == {}


@pytest.mark.parametrize("folder", SERVICES)
def test_tests_of_a_service_import_no_other_service(folder: str) -> None:
    others = {package_of(other) for other in SERVICES if other != folder}
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in modules_below(ROOT / folder / "tests")
        for name in imported_names(file)
        if name.split(".")[0] in others
    ]
    assert wrong == []


def test_no_test_finds_its_helpers_by_changing_the_search_path() -> None:
    folders = [ROOT / folder / "tests" for folder in (*SERVICES, *LIBRARIES)] + [ROOT / "dev", ROOT / "tests"]
    changed = "sys.path." + "insert"
    wrong = [str(file) for folder in folders for file in modules_below(folder) if changed in file.read_text()]
    assert wrong == []


@pytest.mark.parametrize("folder", SERVICES)
def test_every_room_of_a_service_stands_in_a_layer(folder: str) -> None:
    """Exhaustive layers: import-linter refuses a room that none of them names."""
    linter = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["tool"]["importlinter"]
    exhaustive = [each for each in linter["contracts"] if each.get("exhaustive") and each["type"] == "layers"]
    assert [package_of(folder)] in [each["containers"] for each in exhaustive]
    assert not any("ignore_imports" in each for each in linter["contracts"])
