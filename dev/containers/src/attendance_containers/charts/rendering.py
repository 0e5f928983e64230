"""Renders the charts with helm: each with every values file that it brings, as operators combine them."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from attendance_containers.charts.errors import ChartWrong
from attendance_containers.go_programs import KUBERNETES

NAMESPACE = "attendance"


@dataclass(frozen=True, slots=True)
class Rendering:
    """A chart with a combination of values files, of the chart's own and of these tests."""

    chart: str
    name: str
    values: tuple[str, ...]


# Values that a site has to name itself, and every way to have certificates and secrets.
RENDERINGS = (
    Rendering("attendance", "defaults", ("tests:site.yaml",)),
    Rendering("attendance", "small", ("values-small.yaml", "tests:site.yaml")),
    Rendering("attendance", "10k", ("values-10k.yaml", "tests:site.yaml")),
    Rendering("attendance", "10k-gpu", ("values-10k.yaml", "values-gpu.yaml", "tests:site.yaml")),
    Rendering("attendance", "gpu", ("values-gpu.yaml", "tests:site.yaml")),
    Rendering("attendance", "managed", ("values-10k.yaml", "tests:site.yaml", "tests:managed.yaml")),
    Rendering("attendance", "trial", ("values-small.yaml", "tests:site.yaml", "tests:trial.yaml")),
    Rendering("attendance-engines", "defaults", ("tests:engines.yaml",)),
    Rendering("attendance-engines", "trial", ("tests:engines.yaml", "tests:engines-trial.yaml")),
)


def lint(helm: Path, charts: Path, values: Path, rendering: Rendering) -> None:
    """Run `helm lint --strict`. Raises ChartWrong."""
    chart = charts / rendering.chart
    _helm(helm, "lint", "--strict", "--quiet", *_options(rendering, charts, values), str(chart))


def render(helm: Path, charts: Path, values: Path, rendering: Rendering) -> str:
    """Render a chart as an upgrade would. Raises ChartWrong."""
    chart = charts / rendering.chart
    options = ("--namespace", NAMESPACE, "--is-upgrade", *_options(rendering, charts, values))
    return _helm(helm, "template", *options, "attendance", str(chart))


def refusal(helm: Path, charts: Path, values: Path, *settings: str) -> str | None:
    """Return how the application's chart refuses these `--set` settings, or None when it takes them."""
    options = _options(RENDERINGS[0], charts, values)
    sets = [option for setting in settings for option in ("--set", setting)]
    try:
        _helm(helm, "template", *options, *sets, "attendance", str(charts / "attendance"))
    except ChartWrong as error:
        return str(error)
    return None


def _options(rendering: Rendering, charts: Path, values: Path) -> list[str]:
    options = ["--kube-version", KUBERNETES]
    for name in rendering.values:
        own = name.removeprefix("tests:")
        path = values / own if own != name else charts / rendering.chart / name
        options += ["--values", str(path)]
    return options


def _helm(helm: Path, *arguments: str) -> str:
    run = subprocess.run([str(helm), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        raise ChartWrong(f"helm {' '.join(arguments)}:\n{run.stdout}{run.stderr}")
    return run.stdout
