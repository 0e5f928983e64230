from pathlib import Path

from prometheus_client import CollectorRegistry

from attendance_testing.described_settings import undescribed
from query_api.metrics import QueryApiMetrics
from query_api.settings import Settings

README = Path(__file__).parents[2] / "README.md"


def test_every_setting_is_documented() -> None:
    text = README.read_text(encoding="utf-8")
    assert undescribed(Settings) == []
    own = set(Settings.model_fields) - {"kafka", "auth", "database", "registry", "valkey"}
    assert [name for name in sorted(own) if f"`{Settings.variable(name)}`" not in text] == []


def test_every_metric_is_documented() -> None:
    text = README.read_text(encoding="utf-8")
    registry = CollectorRegistry()
    QueryApiMetrics(registry)
    names = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []
