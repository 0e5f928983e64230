"""What is on the cluster before it is harmed: secrets, servers, the chart, and a plant whose devices send."""

import random
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from attendance_containers.charts.check import VALUES as CHECK_VALUES
from attendance_containers.charts.definitions import definition_files
from attendance_containers.charts.rendering import RENDERINGS, render
from attendance_containers.go_programs import HELM
from attendance_containers.kubernetes.cluster import Cluster
from attendance_containers.kubernetes.engines import (
    NAME,
    REPLICA,
    RESTRICTED,
    SERVERS,
    deployment,
    secret,
    server_objects,
    server_policies,
)
from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.plant import Plant
from attendance_deploy.access.permissions import read_permissions
from attendance_deploy.prepare.secrets import prepare_secrets
from attendance_deploy.prepare.tokens import sign_token
from chaos.journal import JournalWriter
from chaos.plant import Calendar, record_plant
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic

NAMESPACE = "attendance"
VALUES = Path(__file__).with_name("values.yaml")
SECRETS = (
    *("prepare", "ingest", "recognition-worker", "attendance-projector", "attendance-feed", "query-api"),
    *("postgres", "postgres-replica", "object-store", "valkey"),
)
# Identities without a pod of their own here, and somebody whom deploy/access.yaml does not know.
ONLOOKERS = ("prometheus", "prepare", "outsider")
TOKENS_LAST = timedelta(hours=3)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster with the repository whose charts it runs."""

    cluster: Cluster
    root: Path
    cache: Path
    say: Say

    @property
    def secrets(self) -> Path:
        """The folder of secrets, one for each service and server."""
        return self.cluster.folder / "secrets"

    def sign(self, organisation: str) -> Callable[[str, str], str]:
        """Return what signs tokens of an organisation."""

        @cache
        def sign(role: str, subject: str) -> str:
            claims = {"roles": [role], "subject": subject, "organisation": organisation, "sites": ()}
            return sign_token(self.secrets, lifetime=TOKENS_LAST, **claims)  # type: ignore[arg-type]

        return sign

    def apply(self, *things: dict[str, Any]) -> None:
        """Make objects in the namespace."""
        self.cluster.kubectl("apply", "--namespace", NAMESPACE, "-f", "-", text=yaml.safe_dump_all(things))

    def wait_for(self, *names: str, within: int = 240) -> None:
        """Wait until the pods of Deployments are ready."""
        for name in names:
            self.cluster.kubectl(
                "rollout", "status", "-n", NAMESPACE, f"deployment/{name}", f"--timeout={within}s"
            )


def make_namespace(site: Site) -> None:
    """Make the namespace, which takes only pods that Pod Security `restricted` takes, and its secrets."""
    label = {"pod-security.kubernetes.io/enforce": "restricted", "kubernetes.io/metadata.name": NAMESPACE}
    metadata = {"name": NAMESPACE, "labels": label}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    site.cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump(namespace))
    for name in SECRETS:
        (site.secrets / name).mkdir(parents=True, exist_ok=True)
    prepare_secrets(site.secrets, lambda _line: None)
    owner = site.secrets / "prepare" / "attendance_owner_password"
    url = f"postgresql://attendance_owner:{owner.read_text().strip()}@postgres:5432/attendance"
    folder = site.secrets / "of-the-chart"
    folder.mkdir(exist_ok=True)
    (folder / "database_url").write_text(url)
    keys = site.secrets / "jwks"
    keys.mkdir(exist_ok=True)
    (keys / "jwks.json").write_bytes((site.secrets / "ingest/jwks.json").read_bytes())
    made = [secret(f"{name}-secrets", site.secrets / name) for name in SECRETS if name != "prepare"]
    site.apply(
        *made,
        secret("prepare-secrets", folder),
        secret("first-secrets", site.secrets / "prepare"),
        secret("jwks", keys),
    )


def try_definitions(site: Site) -> int:
    """Have the API server take every rendering of both charts, with operators' definitions; return how many.

    It applies rules between fields, too, which no schema tells. Nothing is made.
    """
    cluster, charts = site.cluster, site.root / "charts"
    cluster.kubectl("apply", "--server-side", "-f", str(definition_files(site.cache)))
    cluster.kubectl("wait", "crd", "--all", "--for=condition=established", "--timeout=60s")
    cluster.kubectl("create", "namespace", "cert-manager")
    for rendering in RENDERINGS:
        text = render(HELM.build(site.cache) / "helm", charts, CHECK_VALUES, rendering)
        cluster.kubectl("apply", "--dry-run=server", "-f", "-", text=text)
    return len(RENDERINGS)


def start_servers(site: Site) -> None:
    """Start the servers as pods; logins and the bucket are made as compose.yaml makes them."""
    site.apply(*server_objects(site.root, SERVERS))
    site.wait_for(*SERVERS)
    site.apply(_first_steps())
    site.cluster.kubectl(
        "wait", "-n", NAMESPACE, "job/first-steps", "--for=condition=complete", "--timeout=120s"
    )
    site.apply(*server_objects(site.root, (REPLICA,)), *(_onlooker(name) for name in ONLOOKERS))
    site.wait_for(REPLICA, *ONLOOKERS)
    permissions = read_permissions(site.root / "deploy/access.yaml")
    site.apply(*server_policies(permissions, (*SERVERS, REPLICA)))


def chart(site: Site, verb: str, version: str, *options: str, check: bool = True) -> str:
    """Install or upgrade the chart and wait until its pods are ready."""
    values = ("--values", str(site.root / "charts/attendance/values-small.yaml"), "--values", str(VALUES))
    command = (verb, "attendance", str(site.root / "charts/attendance"), "--namespace", NAMESPACE, *values)
    return site.cluster.helm(
        *command, "--set", f"image.tag={version}", "--wait", "--timeout", "6m", *options, check=check
    )


def gateway(site: Site) -> str:
    """Return the address of the gateway."""
    address = site.cluster.kubectl(
        "get", "service", "-n", NAMESPACE, "gateway", "-o", "jsonpath={.spec.clusterIP}"
    )
    return f"http://{address}:8080"


@asynccontextmanager
async def traffic(site: Site, url: str, seed: int, journal: Path) -> AsyncIterator[Traffic]:
    """Record a plant through the gateway and let its devices send."""
    run = f"k{secrets.token_hex(3)}"
    sign = site.sign(f"acme-{run}")
    cast = packaged_cast(site.cache / "photos", run)
    async with (
        httpx.AsyncClient(timeout=30, trust_env=False) as calm,
        httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, trust_env=False) as client,
    ):
        people = await record_plant(Plant(run, calm, url, url, sign), cast)
        site.say(f"{len(people)} people are recorded, {len(cast.members)} of them with a face")
        rng = random.Random(seed)
        with JournalWriter(journal) as writer:
            calendar = Calendar(rng, datetime.now(UTC).date())
            flowing = Traffic(Plant(run, client, url, url, sign), client, cast, people, writer, calendar, rng)
            flowing.start()
            try:
                yield flowing
            finally:
                await flowing.stop()


def _first_steps() -> dict[str, Any]:
    """Return the job that makes logins and the bucket: in production, whoever runs the servers does."""
    container = {
        "name": "first-steps",
        "image": "docker.io/attendance/prepare:dev",
        "imagePullPolicy": "Never",
        "args": ["prepare", "logins", "bucket"],
        "env": [{"name": "SECRETS_ROOT", "value": "/secrets"}],
        "securityContext": dict(RESTRICTED),
        "volumeMounts": [{"name": "secrets", "mountPath": "/secrets/prepare", "readOnly": True}],
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "secrets", "secret": {"secretName": "first-secrets", "defaultMode": 0o440}}],
    }
    template = {"metadata": {"labels": {NAME: "first-steps"}}, "spec": pod}
    spec = {"backoffLimit": 3, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "first-steps"}, "spec": spec}


def _onlooker(name: str) -> dict[str, Any]:
    """Return a pod that does nothing, under the labels of an identity."""
    container = {
        "name": name,
        "image": "docker.io/attendance/ingest:dev",
        "imagePullPolicy": "Never",
        "command": ["python", "-ISc", "import signal; signal.pause()"],
        "securityContext": dict(RESTRICTED),
    }
    made = deployment(name, container, [], {"runAsUser": 10001})
    if name != "outsider":
        instance = {"app.kubernetes.io/instance": "attendance", "app.kubernetes.io/part-of": "attendance"}
        made["spec"]["template"]["metadata"]["labels"] |= instance if name == "prepare" else {}
    return made
