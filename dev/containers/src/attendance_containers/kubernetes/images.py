"""Images for the cluster: those of one static program, made here, and those that a Docker engine saved."""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

from attendance_containers.kubernetes.cluster import Cluster


def import_program(cluster: Cluster, name: str, program: Path, *arguments: str) -> None:
    """Make an image of one static program, and give it to the cluster."""
    archive = cluster.folder / f"{program.name}.tar"
    archive.write_bytes(_image(name, program, arguments))
    cluster.ctr("images", "import", str(archive))
    archive.unlink()


def import_built(cluster: Cluster, archive: Path) -> None:
    """Give the cluster images that a Docker engine saved, unless an earlier run did. Their ids lie beside."""
    ids, known = archive.with_suffix(".ids").read_text(), cluster.folder / "images" / "imported.ids"
    if not known.exists() or known.read_text() != ids:
        cluster.ctr("images", "import", str(archive))
        known.write_text(ids)


def _image(name: str, program: Path, arguments: Sequence[str]) -> bytes:
    """Return an archive as `docker save` writes it."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    settings = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "Cmd": list(arguments), "User": "65534:65534"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    config = json.dumps(settings).encode()
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    files = {"config.json": config, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    return _tar({path: (content, 0o644) for path, content in files.items()})


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
