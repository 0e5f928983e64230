from collections import Counter
from pathlib import Path

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.running.state import open_state
from local_stack.services.catalogue import services


def test_every_port_is_of_one_server(tmp_path: Path) -> None:
    folder, cache = tmp_path / "stack", tmp_path / "cache"
    for made in (folder, cache):
        made.mkdir()
    state = open_state(folder, cache, brokers=3, replica=True, secure=True)
    found = services(state, folder, ArtifactCache(cache), tmp_path)
    users = Counter(port for service in found for port in service.ports)
    assert users == Counter(state.ports.values())
