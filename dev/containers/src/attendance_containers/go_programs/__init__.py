"""Programs that no package brings, built once from locked Go sources into the cache of the local stack.

Each folder beside this module has a go.mod and a go.sum for the programs that are built together.
"""

from dataclasses import dataclass
from pathlib import Path

from local_stack.downloads.go_programs import GoSources, build

HERE = Path(__file__).parent
KUBERNETES = "1.34.4"
_STAMP = "k8s.io/component-base/version"


@dataclass(frozen=True, slots=True)
class Programs:
    """Programs of one go.mod: what each is called here, and its main package."""

    sources: GoSources
    mains: dict[str, str]
    ldflags: str = "-s -w"

    def build(self, cache: Path) -> Path:
        """Build what is missing and return the folder of the programs.

        Raises:
            LocalStackError: Go or the modules could not be had.
        """
        folder = cache / self.sources.name.lower().replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        build(self.sources, {folder / name: main for name, main in self.mains.items()}, cache, self.ldflags)
        return folder


def _programs(name: str, folder: str, mains: dict[str, str], ldflags: str = "-s -w") -> Programs:
    return Programs(GoSources(name, HERE / folder, (1, 26), build_within_seconds=2400.0), mains, ldflags)


HELM = _programs(
    "Helm 3.22.0",
    "helm",
    {
        "helm": "helm.sh/helm/v3/cmd/helm",
        "helm-docs": "github.com/norwoodj/helm-docs/cmd/helm-docs",
    },
)
KUBE_SCORE = _programs(
    "kube-score 1.20.0", "kube-score", {"kube-score": "github.com/zegl/kube-score/cmd/kube-score"}
)
CLUSTER = _programs(
    f"Kubernetes {KUBERNETES}",
    "kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        )
    },
    # What `go build` of Kubernetes' own sources does not know by itself, and clients ask for.
    f"-s -w -X {_STAMP}.gitVersion=v{KUBERNETES} -X {_STAMP}.gitMajor=1 -X {_STAMP}.gitMinor=34",
)
ETCD = _programs("etcd 3.7.3", "etcd", {"etcd": "go.etcd.io/etcd/server/v3"})
NETWORK = _programs(
    "CoreDNS 1.15.0 and kube-router 2.1.0",
    "network",
    {
        "coredns": "github.com/coredns/coredns",
        "kube-router": "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    },
)
PAUSE = _programs("pause", "pause", {"pause": "attendance-containers/pause"})
