"""What there is before any server: the namespace, secrets and certificates, and the volumes of the servers.

In production people, a vault, cert-manager and a provisioner of volumes make these.
"""

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from attendance_containers.kubernetes.cluster import Cluster
from attendance_containers.kubernetes.servers import ENGINES, files_of, secret
from attendance_deploy.prepare.secrets import prepare_secrets
from attendance_deploy.prepare.tokens import sign_token
from local_stack.keys.certificates import Authority

NAMESPACE = "attendance"
SERVICES = ("ingest", "recognition-worker", "attendance-projector", "attendance-feed", "query-api")
WITH_SECRETS = ("prepare", *SERVICES, "postgres", "postgres-replica", "object-store", "valkey")
WITH_CERTIFICATES = ("prepare", *SERVICES, "gateway", *ENGINES)
TOKENS_LAST = timedelta(hours=3)
# Of the pods of the chart of engines.
OWNER = 10001


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster with the repository whose charts it runs."""

    cluster: Cluster
    root: Path
    cache: Path
    say: Callable[[str], None]

    @property
    def secrets(self) -> Path:
        """The folder of secrets, one for each service and server."""
        return self.cluster.folder / "secrets"

    @property
    def authority(self) -> Path:
        """The certificate of those who issued the others."""
        return self.cluster.folder / "certificates" / "authority" / "tls.crt"

    def trust(self) -> ssl.SSLContext:
        """Return whom people and devices believe."""
        return ssl.create_default_context(cafile=self.authority)

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
    """Make the namespace, which takes only pods that are `restricted`, and what pods wait for."""
    label = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": label}}
    site.cluster.kubectl("apply", "-f", "-", text=yaml.safe_dump(namespace))
    _make_secrets(site)
    _make_certificates(site)
    _make_volumes(site)


def _make_secrets(site: Site) -> None:
    for name in WITH_SECRETS:
        (site.secrets / name).mkdir(parents=True, exist_ok=True)
    prepare_secrets(site.secrets, lambda _line: None)
    files = {name: files_of(site.secrets / name) for name in WITH_SECRETS}
    site.apply(
        *(secret(f"{name}-secrets", _over_tls(files[name])) for name in WITH_SECRETS if name != "prepare"),
        secret("prepare-secrets", {"database_url": _owner(files["prepare"])}),
        secret("first-secrets", files["prepare"]),
        secret("jwks", {"jwks.json": files["ingest"]["jwks.json"]}),
        secret("valkey-users", {"users.acl": files["valkey"]["users.acl"]}),
        secret("object-store-identities", {"identities.json": files["object-store"]["s3.json"]}),
    )


def _over_tls(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return secrets as they are where Valkey speaks TLS alone."""
    return {name: content.replace(b"redis://", b"rediss://") for name, content in files.items()}


def _owner(files: dict[str, bytes]) -> bytes:
    password = files["attendance_owner_password"].decode().strip()
    return f"postgresql://attendance_owner:{password}@postgres:5432/attendance".encode()


def _make_certificates(site: Site) -> None:
    authority = Authority.kept_in(site.authority.parent)
    for name in WITH_CERTIFICATES:
        near = f"{name}.{NAMESPACE}.svc"
        hosts = (name, f"{name}.{NAMESPACE}", near, f"{near}.cluster.local")
        made = authority.issue(site.authority.parents[1] / name, name, hosts=hosts)
        site.apply(secret(f"{name}-tls", files_of(made.folder)))


def _make_volumes(site: Site) -> None:
    """Make a volume on this node for each claim of the chart of engines; elsewhere a provisioner does."""
    for name in ENGINES:
        folder = site.cluster.folder / "volumes" / name
        folder.mkdir(parents=True)
        os.chown(folder, OWNER, OWNER)
        claim = f"data-{name}-0"
        spec = {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": NAMESPACE, "name": claim},
            "hostPath": {"path": str(folder), "type": "Directory"},
        }
        site.apply(
            {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": claim}, "spec": spec}
        )
