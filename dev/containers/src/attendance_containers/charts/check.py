"""All checks of the charts, in order, and what they counted."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attendance_containers.charts import policies
from attendance_containers.charts.definitions import definition_files, objects, schemas
from attendance_containers.charts.errors import ChartWrong
from attendance_containers.charts.made_files import COMMAND, check_in_step, made_files
from attendance_containers.charts.rendering import RENDERINGS, lint, refusal, render
from attendance_containers.charts.scores import findings, unexplained
from attendance_containers.charts.validation import problems
from attendance_containers.charts.variables import unknown_variables
from attendance_containers.go_programs import HELM, KUBE_SCORE
from attendance_containers.programs import run
from attendance_deploy.access.permissions import Permissions, read_permissions

VALUES = Path(__file__).with_name("values")
# What a site may get wrong, and a word of the answer.
REFUSED = {
    "kafka.bootstrapServers=": "kafka.bootstrapServers",
    "recognitionWorker.autoscaling.maxReplicas=49": "48 partitions",
    "tls.mode=maybe": "tls.mode",
    "ingest.variables.INGEST_PORT=1": "variables",
    "ingest.settings.QUERY_API_PORT=1": "QUERY_API_PORT",
    "auth.jwks=": "jwksSecret",
}


@dataclass(slots=True)
class Figures:
    """What was checked."""

    charts: int = 0
    renderings: int = 0
    objects: int = 0
    kinds: int = 0
    connections: int = 0
    refusals: int = 0

    def line(self) -> str:
        """Return them as one line."""
        return (
            f"charts ok: charts={self.charts} renderings={self.renderings} objects={self.objects}"
            f" kinds={self.kinds} connections={self.connections} refusals={self.refusals} problems=0"
        )


def check_charts(root: Path, cache: Path, say: Callable[[str], object]) -> Figures:
    """Check both charts. Raises ContainersError or LocalStackError; the message names what is wrong."""
    charts = root / "charts"
    permissions = read_permissions(root / "deploy/access.yaml")
    check_in_step(made_files(root, permissions))
    say("helm, kube-score and the operators' definitions; the first time they are built")
    programs, kube_score = HELM.build(cache), KUBE_SCORE.build(cache) / "kube-score"
    known = schemas(definition_files(cache))
    wrong: list[str] = []
    things: list[dict[str, Any]] = []
    found = []
    for rendering in RENDERINGS:
        lint(programs / "helm", charts, VALUES, rendering)
        text = render(programs / "helm", charts, VALUES, rendering)
        rendered = list(objects(text))
        said = [each for thing in rendered for each in problems(thing, known)]
        said += unknown_variables(rendered)
        wrong += [f"{rendering.chart}, {rendering.name}: {each}" for each in said]
        if rendering.chart == "attendance":
            wrong += _policy_differences(rendered, permissions, rendering.name)
        found += findings(kube_score, text)
        things += rendered
        say(f"{rendering.chart} with {', '.join(rendering.values)}: {len(rendered)} objects")
    wrong += dict.fromkeys(unexplained(found))
    wrong += _taken(programs / "helm", charts)
    wrong += _readme_differences(programs / "helm-docs", charts)
    if wrong:
        raise ChartWrong("\n".join(wrong))
    return Figures(
        charts=len({each.chart for each in RENDERINGS}),
        renderings=len(RENDERINGS),
        objects=len(things),
        kinds=len({(each["apiVersion"], each["kind"]) for each in things}),
        connections=len(permissions.connections()),
        refusals=len(REFUSED),
    )


def _policy_differences(rendered: Iterable[dict[str, Any]], permissions: Permissions, name: str) -> list[str]:
    things = list(rendered)
    ours = _pods(things)
    pods = [*ours, *_others(permissions)]
    rules = [each for each in things if each["kind"] == "NetworkPolicy"]
    ports = {connection.port for tls in (True, False) for connection in permissions.connections(tls=tls)}
    may = policies.allowed(rules, pods, ports)
    names = {pod.name for pod in ours}
    should = policies.expected(permissions, {pod.name for pod in pods}, tls=_speaks_tls(things))
    return [
        f"attendance, {name}: policies {'allow' if each in may else 'refuse'} {each}; the file does not"
        for each in sorted(may ^ should)
        if names & {each[0], each[1]} and not _is_a_sites_choice(each, each in may, names, permissions)
    ]


def _is_a_sites_choice(
    connection: tuple[str, str, int], is_open: bool, names: set[str], permissions: Permissions
) -> bool:
    """Tell whether both are right: anybody enters what is open, and not all sites have servers outside."""
    client, server, _ = connection
    party = permissions.parties[server]
    return (party.open and client not in names) if is_open else getattr(party, "outside", False)


def _speaks_tls(things: Iterable[dict[str, Any]]) -> bool:
    volumes = [
        volume["name"]
        for thing in things
        if thing["kind"] == "Deployment"
        for volume in thing["spec"]["template"]["spec"]["volumes"]
    ]
    return "tls" in volumes


def _pods(things: Iterable[dict[str, Any]]) -> list[policies.Pod]:
    """Return our pods as they are rendered, one of each identity."""
    found = {}
    for thing in things:
        if thing["kind"] in {"Deployment", "Job"}:
            template = thing["spec"]["template"]
            labels = template["metadata"]["labels"]
            ports = {
                port["name"]: port["containerPort"]
                for container in template["spec"]["containers"]
                for port in container.get("ports", ())
            }
            found[labels[policies.NAME]] = policies.Pod(labels[policies.NAME], labels, ports)
    return list(found.values())


def _others(permissions: Permissions) -> list[policies.Pod]:
    """Return a pod of each server, and of Prometheus, which this chart does not install."""
    names = [*permissions.servers, "prometheus"]
    return [policies.Pod(name, {policies.NAME: name}, {}) for name in names]


def _taken(helm: Path, charts: Path) -> list[str]:
    """Return what is taken although it is wrong, or refused without saying why."""
    wrong = []
    for setting, word in REFUSED.items():
        answer = refusal(helm, charts, VALUES, setting)
        if answer is None or word not in answer:
            wrong.append(f"--set {setting} should be refused with {word!r}, the answer is: {answer}")
    return wrong


def _readme_differences(helm_docs: Path, charts: Path) -> list[str]:
    """Compare each README with what helm-docs makes of the values and the template beside them."""
    wrong = []
    for chart in sorted(path.parent for path in charts.glob("*/Chart.yaml")):
        made = helm_docs_of(helm_docs, chart)
        if made != (chart / "README.md").read_text(encoding="utf-8"):
            wrong.append(f"{chart.name}/README.md: not what values.yaml says; run `{COMMAND}`")
    return wrong


def helm_docs_of(helm_docs: Path, chart: Path) -> str:
    """Return the README that helm-docs makes. Raises CommandFailed."""
    options = ("--dry-run", "--chart-search-root", chart, "--log-level", "warning")
    return run([helm_docs, *options]).strip() + "\n"
