"""Alerts and the board ask for metrics that the services have."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[4]
OWN = re.compile(r"\b(?:ingest|query_api|attendance_projector|recognition|delivery)_[a-z_]+")
SUFFIXES = ("_total", "_bucket", "_count", "_sum")


def expressions() -> list[str]:
    rules = yaml.safe_load((ROOT / "deploy/compose/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    board = json.loads((ROOT / "deploy/compose/grafana/boards/attendance.json").read_text())
    return [rule["expr"] for rule in rules] + [
        target["expr"] for panel in board["panels"] for target in panel["targets"]
    ]


def metrics_of_the_code() -> str:
    files = [path for folder in ROOT.glob("*/src") for path in folder.rglob("*.py")]
    return "\n".join(path.read_text() for path in files)


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_is_one_of_the_code(expression: str) -> None:
    code = metrics_of_the_code()
    for name in OWN.findall(expression.replace("(ingest|recognition)_", "ingest_")):
        base = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
        assert f'"{name}"' in code or f'"{base}"' in code, name
