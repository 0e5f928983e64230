"""One node that is all of Kubernetes, from etcd to the proxy, with NetworkPolicies enforced.

Everything lies in one folder. Images and the programs stay from run to run; objects do not.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from attendance_containers.errors import CommandFailed
from attendance_containers.kubernetes.credentials import ADMINISTRATORS, NODES, Credentials
from attendance_containers.kubernetes.node import CNI_PLUGIN
from attendance_containers.kubernetes.processes import Processes
from attendance_containers.sandbox import NODE_ADDRESS

NODE = "node"
API = f"https://{NODE_ADDRESS}:6443"
ETCD, ETCD_PEER = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
SERVICES, FIRST_SERVICE, DNS_SERVICE = "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
PODS, PODS_HERE = "10.244.0.0/16", "10.244.0.0/24"
PAUSE_IMAGE = "docker.io/attendance/pause:1"
NAMESPACE_OF_IMAGES = "k8s.io"
UP_WITHIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the programs are."""

    cluster: Path
    etcd: Path
    network: Path
    helm: Path


class Cluster:
    """The cluster of one folder. `start` it, use `kubectl` and `helm`, `stop` it."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        self.folder = folder
        self.processes = Processes(folder / "logs")
        self._programs = programs
        self._keys = folder / "keys"
        self._admin = self._keys / "admin" / "kubeconfig"
        # Sockets have short names.
        self._socket = folder / "containerd.sock"

    def start(self) -> float:
        """Start everything; return the seconds until the node is ready. Raises ContainersError."""
        began = time.monotonic()
        self._forget()
        credentials = Credentials(self._keys, API)
        self._start_containerd()
        self._start_control_plane(credentials)
        self._start_node(credentials)
        self.processes.wait("the node is ready", self._is_ready, UP_WITHIN_SECONDS)
        return time.monotonic() - began

    def stop(self) -> None:
        """End everything; what still runs in pods ends with the namespaces."""
        self.processes.stop()

    def kubectl(self, *arguments: str, text: str | None = None, check: bool = True) -> str:
        """Run kubectl and return what it printed. Raises CommandFailed."""
        return self._run("kubectl", self._programs.cluster, arguments, text, check=check)

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """Return objects: `kubectl get` in JSON."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", *arguments, "-o", "json"))["items"]
        return found

    def helm(self, *arguments: str, check: bool = True) -> str:
        """Run helm and return what it printed. Raises CommandFailed."""
        return self._run("helm", self._programs.helm, arguments, None, check=check)

    def ctr(self, *arguments: str) -> str:
        """Run containerd's own client on the cluster's images and tasks. Raises CommandFailed."""
        command = ["ctr", "--address", str(self._socket), "--namespace", NAMESPACE_OF_IMAGES, *arguments]
        return _output(command, None, None, check=True)

    def _run(
        self, program: str, folder: Path, arguments: tuple[str, ...], text: str | None, *, check: bool
    ) -> str:
        home = {
            name: str(self.folder / "helm")
            for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        }
        caches = {"KUBECACHEDIR": str(self.folder / "kubectl"), "KUBECONFIG": str(self._admin)}
        environ = {**os.environ, **home, **caches}
        return _output([str(folder / program), *arguments], text, environ, check=check)

    def _is_ready(self) -> bool:
        said = self.kubectl("get", "node", NODE, "-o", "json", check=False)
        conditions = json.loads(said)["status"]["conditions"] if said.startswith("{") else ()
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _forget(self) -> None:
        """Remove what an earlier run left, but for images."""
        for name in ("etcd", "kubelet", "kubectl", "cni", "logs", "keys", "run", "certificates", "volumes"):
            if (self.folder / name).exists():
                shutil.rmtree(self.folder / name)
        # Of a run that was killed: it would look like a containerd that answers.
        self._socket.unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _start_containerd(self) -> None:
        networks = self.folder / "cni"
        networks.mkdir()
        bridge = {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "run/addresses"),
                "ranges": [[{"subnet": PODS_HERE}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        plugins = [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}]
        network = {"cniVersion": "1.0.0", "name": "attendance", "plugins": plugins}
        (networks / "10-pods.conflist").write_text(json.dumps(network))
        settings = self.folder / "containerd.toml"
        settings.write_text(
            CONTAINERD.format(folder=self.folder, plugins=Path(CNI_PLUGIN).parent, pause=PAUSE_IMAGE)
        )
        self.processes.start("containerd", "containerd", "--config", settings)
        self.processes.wait("containerd answers", self._socket.exists, UP_WITHIN_SECONDS)
        for name in self.ctr("containers", "list", "--quiet").split():
            self.ctr("containers", "remove", name)

    def _start_control_plane(self, credentials: Credentials) -> None:
        programs = self._programs.cluster
        self.processes.start(
            "etcd",
            self._programs.etcd / "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            "--unsafe-no-fsync",
            *(f"--listen-client-urls={ETCD}", f"--advertise-client-urls={ETCD}"),
            *(f"--listen-peer-urls={ETCD_PEER}", f"--initial-advertise-peer-urls={ETCD_PEER}"),
            f"--initial-cluster=default={ETCD_PEER}",
        )
        hosts = ("kubernetes", "kubernetes.default.svc", "localhost", NODE_ADDRESS, FIRST_SERVICE)
        own = credentials.issue("api-server", "kube-apiserver", hosts=hosts)
        to_kubelet = credentials.issue("api-server-kubelet", "kube-apiserver", group=ADMINISTRATORS)
        # Its key signs the tokens of service accounts.
        tokens = credentials.issue("tokens", "tokens")
        self.processes.start(
            "kube-apiserver",
            programs / "kube-apiserver",
            f"--etcd-servers={ETCD}",
            *(f"--advertise-address={NODE_ADDRESS}", "--secure-port=6443"),
            *(
                f"--tls-cert-file={own.cert}",
                f"--tls-private-key-file={own.key}",
                f"--client-ca-file={own.ca}",
            ),
            *(f"--kubelet-client-certificate={to_kubelet.cert}", f"--kubelet-client-key={to_kubelet.key}"),
            f"--kubelet-certificate-authority={to_kubelet.ca}",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={tokens.cert}",
            f"--service-account-signing-key-file={tokens.key}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICES}",
        )
        credentials.kubeconfig("admin", "admin", group=ADMINISTRATORS)
        self.processes.wait(
            "the API server is ready",
            lambda: self.kubectl("get", "--raw", "/readyz", check=False) == "ok",
            UP_WITHIN_SECONDS,
        )
        self.processes.start(
            "kube-controller-manager",
            programs / "kube-controller-manager",
            f"--kubeconfig={credentials.kubeconfig('controllers', 'system:kube-controller-manager')}",
            f"--service-account-private-key-file={tokens.key}",
            f"--root-ca-file={tokens.ca}",
            "--use-service-account-credentials",
            *("--allocate-node-cidrs", f"--cluster-cidr={PODS}"),
            "--bind-address=127.0.0.1",
        )
        self.processes.start(
            "kube-scheduler",
            programs / "kube-scheduler",
            f"--kubeconfig={credentials.kubeconfig('scheduler', 'system:kube-scheduler')}",
            "--bind-address=127.0.0.1",
        )

    def _start_node(self, credentials: Credentials) -> None:
        own = credentials.issue("kubelet-server", f"system:node:{NODE}", hosts=(NODE, NODE_ADDRESS))
        settings = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(own.ca)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(own.cert),
            "tlsPrivateKeyFile": str(own.key),
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": "cluster.local",
            # Nobody outside is reached from here, so no name of theirs is looked up.
            "resolvConf": "",
            "volumePluginDir": str(self.folder / "kubelet/plugins"),
            "cgroupDriver": "cgroupfs",
            # The machine may have the older cgroups, and swap.
            "failCgroupV1": False,
            "failSwapOn": False,
            "readOnlyPort": 0,
            "podLogsDir": str(self.folder / "logs/pods"),
            # Images are kept for the next run, however full the disk is.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
        }
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(settings))
        programs = self._programs.cluster
        kubeconfig = credentials.kubeconfig("kubelet", f"system:node:{NODE}", group=NODES)
        self.processes.start(
            "kubelet",
            programs / "kubelet",
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={kubeconfig}",
            *(f"--hostname-override={NODE}", f"--node-ip={NODE_ADDRESS}"),
            f"--root-dir={self.folder / 'kubelet'}",
        )
        self.processes.start(
            "kube-proxy",
            programs / "kube-proxy",
            f"--kubeconfig={credentials.kubeconfig('proxy', 'system:kube-proxy')}",
            *(f"--hostname-override={NODE}", f"--cluster-cidr={PODS}"),
            *("--proxy-mode=iptables", "--conntrack-max-per-core=0"),
        )
        # A bridge alone would let everything through: this enforces NetworkPolicies.
        router = credentials.kubeconfig("router", "kube-router")
        self.kubectl("apply", "-f", "-", text=ROUTER_RIGHTS)
        self.processes.wait(
            "the node is known, which kube-router asks for at once",
            lambda: self.kubectl("get", "node", NODE, "-o", "name", check=False) != "",
            UP_WITHIN_SECONDS,
        )
        self.processes.start(
            "kube-router",
            self._programs.network / "kube-router",
            *("--run-router=false", "--run-firewall=true", "--run-service-proxy=false"),
            *(f"--kubeconfig={router}", f"--hostname-override={NODE}"),
            f"--service-cluster-ip-range={SERVICES}",
            environ={**os.environ, "NODE_NAME": NODE},
        )


CONTAINERD = """\
version = 2
root = "{folder}/images"
state = "{folder}/run/containerd"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  # Root without CAP_SYS_RESOURCE cannot lower it, and no sandbox would start.
  restrict_oom_score_adj = true
  sandbox_image = "{pause}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""
ROUTER_RIGHTS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kube-router}
rules:
  - apiGroups: [""]
    resources: [namespaces, pods, services, nodes, endpoints]
    verbs: [list, get, watch]
  - apiGroups: [networking.k8s.io]
    resources: [networkpolicies]
    verbs: [list, get, watch]
  - apiGroups: [discovery.k8s.io]
    resources: [endpointslices]
    verbs: [list, get, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kube-router}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kube-router}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: kube-router}]
"""


def _output(command: list[str], text: str | None, environ: Mapping[str, str] | None, *, check: bool) -> str:
    run = subprocess.run(command, input=text, env=environ, capture_output=True, text=True, check=False)  # noqa: S603
    if check and run.returncode:
        raise CommandFailed(f"{' '.join(command)}: {run.stderr or run.stdout}")
    return run.stdout
