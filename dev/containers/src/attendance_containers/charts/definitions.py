"""The definitions of kinds that are not Kubernetes' own, as their operators publish them.

Go modules carry most of them; Strimzi's are written by its generator from its classes. All come from locked
packages. What was fetched is kept in the cache under the checksum of the lock.
"""

import hashlib
import json
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from attendance_containers.charts.errors import ChartWrong
from attendance_containers.go_programs import HELM
from local_stack.downloads.artifacts import Artifact, ArtifactCache
from local_stack.downloads.go_programs import find_go, run_go
from local_stack.services.java import java

LOCK = Path(__file__).with_name("definitions.toml")
GENERATOR_HEAP_MEGABYTES = 256
GENERATOR, MODEL = "io.strimzi.crdgenerator.CrdGenerator", "io.strimzi.api.kafka.model"
# The version and kind of an object: ("cert-manager.io/v1", "Certificate").
Kind = tuple[str, str]


def definition_files(cache: Path) -> Path:
    """Return the folder of the definitions, one YAML file each; fetch it when it is not in the cache.

    Raises:
        LocalStackError: a package could not be had.
        ChartWrong: a package is not what the lock says.
    """
    folder = cache / f"definitions-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        lock = tomllib.loads(LOCK.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(dir=cache, prefix="definitions-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            for module in lock["module"]:
                _take_from_module(module, made, cache)
            _take_from_strimzi(lock["strimzi"], made, cache)
            made.rename(folder)
    return folder


def schemas(folder: Path) -> dict[Kind, dict[str, Any]]:
    """Return the schema of each kind in each version that its operator serves."""
    found = {}
    for file in sorted(folder.iterdir()):
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        for version in spec["versions"]:
            if version["served"]:
                kind = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                found[kind] = version["schema"]["openAPIV3Schema"]
    return found


def _take_from_module(module: dict[str, Any], made: Path, cache: Path) -> None:
    source = f"{module['name']}@{module['version']}"
    go = find_go(HELM.sources, cache)
    # -json: where it lies, and the checksum of its content.
    answer = json.loads(
        run_go(HELM.sources, [go, "mod", "download", "-json", source], {"GOFLAGS": "-mod=mod"})
    )
    if answer["Sum"] != module["sum"]:
        raise ChartWrong(f"{source} has the checksum {answer['Sum']}, locked is {module['sum']!r}: {LOCK}")
    for name in module["files"]:
        content = (Path(answer["Dir"]) / name).read_text(encoding="utf-8")
        (made / Path(name).name).write_text(content, encoding="utf-8")


def _take_from_strimzi(lock: dict[str, Any], made: Path, cache: Path) -> None:
    jars = [_jar(each, cache) for each in lock["jars"]]
    command = [*java(GENERATOR_HEAP_MEGABYTES), "-cp", ":".join(map(str, jars)), GENERATOR, "--yaml"]
    for name in lock["classes"]:
        target = f"{MODEL}.{name}={made / name}.yaml"
        run = subprocess.run([*command, target], capture_output=True, text=True, check=False)  # noqa: S603
        if run.returncode:
            raise ChartWrong(f"Strimzi's generator wrote no definition of {name}:\n{run.stdout}{run.stderr}")


def _jar(locked: dict[str, Any], cache: Path) -> Path:
    group, name, version = locked["coordinates"].split(":")
    return ArtifactCache(cache).get(Artifact(group, name, version, locked["sha256"], locked["bytes"]))


def objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a rendered chart."""
    yield from (each for each in yaml.safe_load_all(text) if each)
