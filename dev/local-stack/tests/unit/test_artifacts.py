import re
from importlib.resources import files
from pathlib import Path

from local_stack.downloads.artifacts import Artifact, ArtifactCache, Lock, read_lock


def test_lock_pins_every_file_and_names_no_host() -> None:
    lock = read_lock()
    everything = [*lock.kafka, *lock.registry, *lock.postgres]
    assert all(re.fullmatch(r"[0-9a-f]{64}", artifact.sha256) for artifact in everything)
    assert len({artifact.filename for artifact in everything}) == len(everything)
    text = files("local_stack.downloads").joinpath("artifacts.lock.toml").read_text()
    assert "://" not in text


def test_kafka_and_its_client_are_of_one_version() -> None:
    # A resolver that applies the platform of log4j to Kafka picks an older client.
    lock = read_lock()
    versions = {a.version for a in lock.kafka if a.group == "org.apache.kafka"}
    assert versions == {lock.kafka_version}


def test_file_of_another_size_counts_as_missing(tmp_path: Path) -> None:
    artifact = Artifact("g", "whole", "1", sha256="0" * 64, size=5)
    lock = Lock(kafka=(artifact,), registry=(), postgres=(), kafka_version="1", registry_version="1")
    cache = ArtifactCache(tmp_path, lock)
    cache.registry_folder.mkdir()
    cache.registry_jar.touch()
    (tmp_path / "jars").mkdir()
    path = tmp_path / "jars" / "whole-1.jar"
    path.write_bytes(b"half")
    assert cache.missing() == [artifact]
    path.write_bytes(b"whole")
    assert cache.missing() == []
    assert cache.kafka_class_path == str(path)
