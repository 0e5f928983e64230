"""Who is who in one cluster: certificates of one authority, and the kubeconfigs of those who have one.

Names are those that Kubernetes gives rights to by itself, `system:kube-scheduler` and its like. The
organisation of a certificate is the group of who shows it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from local_stack.files import write_private
from local_stack.keys.certificates import Authority, Certificate

ADMINISTRATORS, NODES = "system:masters", "system:nodes"


class Credentials:
    """The authority of the API server at a URL, and what it issues into a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._authority = Authority.kept_in(folder / "authority")

    def issue(
        self, file: str, user: str, *, group: str | None = None, hosts: Sequence[str] = ()
    ) -> Certificate:
        """Issue a certificate for both ends of a connection, into a folder of this name."""
        names = hosts or (file,)
        return self._authority.issue(self._folder / file, user, hosts=names, organisation=group)

    def kubeconfig(self, file: str, user: str, *, group: str | None = None) -> Path:
        """Issue a certificate and write a kubeconfig that shows it; return the kubeconfig."""
        certificate = self.issue(file, user, group=group)
        cluster = {"server": self._url, "certificate-authority": str(certificate.ca)}
        shown = {"client-certificate": str(certificate.cert), "client-key": str(certificate.key)}
        content: Mapping[str, Any] = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": cluster}],
            "users": [{"name": file, "user": shown}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": file}}],
            "current-context": "here",
        }
        path = certificate.folder / "kubeconfig"
        write_private(path, yaml.safe_dump(content))
        return path
