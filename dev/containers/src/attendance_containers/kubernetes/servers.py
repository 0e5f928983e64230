"""The servers of compose.yaml as pods: the same images, commands, configuration and secrets.

So the chart is tried on what compose.yaml is tried on. Their data lie in the pods, and end with them.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from attendance_deploy.access.permissions import Permissions

# Those that operators make elsewhere; the others are of the chart of engines.
SERVERS = ("kafka", "postgres")
REPLICA = "postgres-replica"
# Servers of the chart of engines that no operator makes. They connect to nobody.
ENGINES = ("registry", "valkey", "object-store")
# Those whose port without TLS is called.
PLAIN = {"kafka"}
PORTS = {"kafka": 9092, "postgres": 5432, "postgres-replica": 5432}
NAME = "app.kubernetes.io/name"
# A pod has one network, so it need not be told on which of several to listen.
OF_NETWORKS = "LISTEN_ADDRESSES"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
RESTRICTED: Mapping[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
}


def server_objects(root: Path, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield ConfigMap, Deployment and Service of each server."""
    services = yaml.safe_load((root / "compose.yaml").read_text(encoding="utf-8"))["services"]
    for name in names:
        yield from _objects(root, name, services[name])


def server_policies(permissions: Permissions, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield the policy of each server, which lets in whom deploy/access.yaml names."""
    connections = permissions.connections(tls=False)
    for name in names:
        rules = [
            {
                "from": [{"podSelector": {"matchLabels": {NAME: each.client}}}],
                "ports": [{"protocol": "TCP", "port": each.port}],
            }
            for each in connections
            if each.server == name
        ]
        spec = {"podSelector": {"matchLabels": {NAME: name}}, "policyTypes": ["Ingress"], "ingress": rules}
        metadata = {"name": f"server-{name}"}
        yield {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata,
            "spec": spec,
        }


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of each file in a folder, by its name."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def secret(name: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return a Secret of these files."""
    data = {key: b64encode(content).decode() for key, content in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def _objects(root: Path, name: str, service: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"medium": "Memory"}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    for source, target in (each.split(":")[:2] for each in service.get("volumes", ())):
        if source.startswith("./"):
            yield _files(name, root / source)
            volumes.append({"name": "files", "configMap": {"name": f"{name}-files", "defaultMode": 0o555}})
            mounts.append({"name": "files", "mountPath": target, "readOnly": True})
        elif source.endswith("-secrets"):
            volumes.append({"name": "secrets", "secret": {"secretName": source, "defaultMode": 0o440}})
            mounts.append({"name": "secrets", "mountPath": target, "readOnly": True})
        else:
            volumes.append({"name": "data", "emptyDir": {}})
            mounts.append({"name": "data", "mountPath": target})
    user, _, group = service["user"].partition(":")
    container = {
        "name": name,
        "image": f"docker.io/{service['image']}",
        "imagePullPolicy": "Never",
        "env": [
            {"name": key, "value": _value(value)}
            for key, value in service.get("environment", {}).items()
            if key != OF_NETWORKS
        ],
        "ports": [{"containerPort": PORTS[name]}],
        "readinessProbe": {"tcpSocket": {"port": PORTS[name]}, "periodSeconds": 1},
        "securityContext": dict(RESTRICTED),
        "volumeMounts": mounts,
    }
    for ours, theirs in (("entrypoint", "command"), ("command", "args")):
        if ours in service:
            container[theirs] = [_value(each) for each in service[ours]]
    yield deployment(
        name, container, volumes, {"runAsUser": int(user), "runAsGroup": int(group), "fsGroup": 10001}
    )
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {NAME: name}, "ports": [{"name": "server", "port": PORTS[name]}]},
    }


def deployment(
    name: str, container: Mapping[str, Any], volumes: list[dict[str, Any]], identity: Mapping[str, int]
) -> dict[str, Any]:
    """Return a Deployment of one pod that Pod Security `restricted` takes."""
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **identity},
        "containers": [dict(container)],
        "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {NAME: name}},
            "template": {"metadata": {"labels": {NAME: name}}, "spec": pod},
        },
    }


def _files(name: str, folder: Path) -> dict[str, Any]:
    data = {key: content.decode() for key, content in files_of(folder).items()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{name}-files"}, "data": data}


def _value(text: object) -> str:
    """Return a value of compose.yaml with the defaults of its variables."""
    return VARIABLE.sub(lambda match: match[2] or "", "" if text is None else str(text))
