"""What is on the cluster before it is harmed: servers, both charts, and a plant whose devices send."""

import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from attendance_containers.charts.check import VALUES as CHECK_VALUES
from attendance_containers.charts.definitions import definition_files
from attendance_containers.charts.rendering import RENDERINGS, render
from attendance_containers.go_programs import HELM
from attendance_containers.kubernetes.node import name_address
from attendance_containers.kubernetes.servers import (
    NAME,
    REPLICA,
    RESTRICTED,
    SERVERS,
    deployment,
    server_objects,
    server_policies,
)
from attendance_containers.kubernetes.site import NAMESPACE, Site
from attendance_demo.scene.cast import packaged_cast
from attendance_demo.scene.plant import Plant
from attendance_deploy.access.permissions import read_permissions
from chaos.journal import JournalWriter
from chaos.plant import Calendar, record_plant
from chaos.traffic import ANSWER_WITHIN_SECONDS, Traffic

VALUES = Path(__file__).with_name("values.yaml")
ENGINES_VALUES = Path(__file__).with_name("engines-values.yaml")
# Identities without a pod of their own here, and somebody whom deploy/access.yaml does not know.
ONLOOKERS = ("prometheus", "prepare", "outsider")
URL = "https://gateway"


def make_definitions(site: Site) -> None:
    """Let the API server know the kinds of all operators."""
    site.cluster.kubectl("apply", "--server-side", "-f", str(definition_files(site.cache)))
    site.cluster.kubectl("wait", "crd", "--all", "--for=condition=established", "--timeout=60s")
    site.cluster.kubectl("create", "namespace", "cert-manager")


def try_renderings(site: Site) -> int:
    """Have the API server take every rendering of both charts, and return how many objects those are.

    It applies rules between fields, too, which no schema tells. Nothing is made.
    """
    helm, charts = HELM.build(site.cache) / "helm", site.root / "charts"
    rendered = [render(helm, charts, CHECK_VALUES, rendering) for rendering in RENDERINGS]
    said = site.cluster.kubectl("apply", "--dry-run=server", "-f", "-", text="\n---\n".join(rendered))
    return len(said.splitlines())


def start_servers(site: Site) -> None:
    """Start the servers as pods, those of the chart of engines too; make logins and the bucket."""
    site.apply(*server_objects(site.root, SERVERS))
    engines = str(site.root / "charts/attendance-engines")
    command = ("install", "engines", engines, "--namespace", NAMESPACE, "--values", str(ENGINES_VALUES))
    site.cluster.helm(*command, "--wait", "--timeout", "4m")
    site.wait_for(*SERVERS)
    site.apply(_first_steps())
    site.cluster.kubectl(
        "wait", "-n", NAMESPACE, "job/first-steps", "--for=condition=complete", "--timeout=120s"
    )
    site.apply(*server_objects(site.root, (REPLICA,)), *(_onlooker(name) for name in ONLOOKERS))
    site.wait_for(REPLICA, *ONLOOKERS)
    permissions = read_permissions(site.root / "deploy/access.yaml")
    site.apply(*server_policies(permissions, (*SERVERS, REPLICA)))


def chart(site: Site, verb: str, version: str) -> str:
    """Install or upgrade the chart, wait until its pods are ready, and return what helm says."""
    values = ("--values", str(site.root / "charts/attendance/values-small.yaml"), "--values", str(VALUES))
    command = (verb, "attendance", str(site.root / "charts/attendance"), "--namespace", NAMESPACE, *values)
    return site.cluster.helm(*command, "--set", f"image.tag={version}", "--wait", "--timeout", "6m")


def find_gateway(site: Site) -> None:
    """Let people and devices find the gateway by its name."""
    address = site.cluster.kubectl(
        "get", "service", "-n", NAMESPACE, "gateway", "-o", "jsonpath={.spec.clusterIP}"
    )
    name_address("gateway", address)


@asynccontextmanager
async def traffic(site: Site, seed: int, journal: Path) -> AsyncIterator[Traffic]:
    """Record a plant through the gateway and let its devices send."""
    run = f"k{secrets.token_hex(3)}"
    sign = site.sign(f"acme-{run}")
    cast = packaged_cast(site.cache / "photos", run)
    async with (
        httpx.AsyncClient(timeout=30, verify=site.trust(), trust_env=False) as calm,
        httpx.AsyncClient(timeout=ANSWER_WITHIN_SECONDS, verify=site.trust(), trust_env=False) as client,
    ):
        people = await record_plant(Plant(run, calm, URL, URL, sign), cast)
        site.say(f"{len(people)} people are recorded, {len(cast.members)} of them with a face")
        rng = random.Random(seed)
        with JournalWriter(journal) as writer:
            calendar = Calendar(rng, datetime.now(UTC).date())
            flowing = Traffic(Plant(run, client, URL, URL, sign), client, cast, people, writer, calendar, rng)
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
        "env": [
            {"name": "SECRETS_ROOT", "value": "/secrets"},
            {"name": "OBJECT_STORE_ENDPOINT", "value": "https://object-store:8333"},
            {"name": "SSL_CERT_FILE", "value": "/tls/ca.crt"},
        ],
        "securityContext": dict(RESTRICTED),
        "volumeMounts": [
            {"name": "secrets", "mountPath": "/secrets/prepare", "readOnly": True},
            {"name": "tls", "mountPath": "/tls", "readOnly": True},
        ],
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
        "volumes": [
            {"name": "secrets", "secret": {"secretName": "first-secrets", "defaultMode": 0o440}},
            {"name": "tls", "secret": {"secretName": "prepare-tls", "defaultMode": 0o440}},
        ],
    }
    # The object store lets in whom deploy/access.yaml names.
    template = {"metadata": {"labels": {NAME: "prepare"}}, "spec": pod}
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
