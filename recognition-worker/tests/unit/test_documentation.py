from pathlib import Path

from prometheus_client import CollectorRegistry

from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.settings import Settings
from service_kit.environment import EnvironmentSettings

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_every_setting_is_documented() -> None:
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, EnvironmentSettings):
            continue
        assert f"`{Settings.variable(name)}`" in README


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    RecognitionMetrics(registry)
    for metric in registry.collect():
        total = "_total" if metric.type == "counter" else ""
        assert f"`{metric.name}{total}`" in README
