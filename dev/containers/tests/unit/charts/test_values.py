"""What of the charts can be held against each other without helm; `make chart-test` renders them."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

CHARTS = Path(__file__).parents[5] / "charts"
NAMES = ("attendance", "attendance-engines")
FILES = [(path.parent.name, path.name) for path in sorted(CHARTS.glob("*/values-*.yaml"))]
ROW = re.compile(r"^\| `(?P<key>[\w.-]+)` \| `(?P<default>.*?)` \| (?P<text>.*) \|$", re.MULTILINE)


def values_of(chart: str, file: str = "values.yaml") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((CHARTS / chart / file).read_text(encoding="utf-8"))
    return read


def over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lay values over others as helm does."""
    merged = {**below}
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def wrong(chart: str, values: Mapping[str, Any]) -> list[str]:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    return [f"{error.json_path}: {error.message}" for error in Draft7Validator(schema).iter_errors(values)]


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{above}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}.")
        else:
            yield path, value


def at(values: Mapping[str, Any], path: str) -> object:
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found


@pytest.mark.parametrize("chart", NAMES)
def test_the_schema_takes_what_the_chart_says_itself(chart: str) -> None:
    assert wrong(chart, values_of(chart)) == []


@pytest.mark.parametrize(("chart", "file"), FILES)
def test_the_schema_takes_every_size(chart: str, file: str) -> None:
    assert wrong(chart, over(values_of(chart), values_of(chart, file))) == []


@pytest.mark.parametrize(("chart", "file"), FILES)
def test_a_size_changes_only_what_there_is(chart: str, file: str) -> None:
    known = {path for path, _ in leaves(values_of(chart))}
    for path, _ in leaves(values_of(chart, file)):
        assert any(each == path or path.startswith(f"{each}.") for each in known), path


def test_the_schema_takes_the_values_that_the_documents_show() -> None:
    page = (CHARTS.parent / "docs/operations/kubernetes.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    values = yaml.safe_load(textwrap.dedent(f"   {shown.lstrip()}"))
    assert {"publicUrl", "auth", "kafka", "registry", "objectStore", "tls"} <= values.keys()
    sized = over(values_of("attendance"), values_of("attendance", "values-10k.yaml"))
    assert wrong("attendance", over(sized, values)) == []


@pytest.mark.parametrize("chart", NAMES)
def test_the_schema_refuses_a_value_that_nobody_knows(chart: str) -> None:
    (problem,) = wrong(chart, {**values_of(chart), "kafak": {}})
    assert "kafak" in problem


@pytest.mark.parametrize("chart", NAMES)
def test_the_readme_has_each_value_and_what_it_is_unless_set(chart: str) -> None:
    values, readme = values_of(chart), (CHARTS / chart / "README.md").read_text(encoding="utf-8")
    rows = {row["key"]: row["default"] for row in ROW.finditer(readme)}
    assert rows, "the table of values is not where it was"
    for key, default in rows.items():
        assert json.loads(default) == at(values, key), key
    for path, _ in leaves(values):
        assert any(path == key or path.startswith(f"{key}.") for key in rows), f"{path} is missing"
