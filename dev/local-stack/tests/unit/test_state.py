import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack.environment import stack_env
from local_stack.errors import LocalStackError
from local_stack.running.state import kafka_uuid, load_state, open_state, save_state, state_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "stack"
    made.mkdir()
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    made = tmp_path / "cache"
    made.mkdir()
    return made


def test_ports_and_secrets_stay(folder: Path, cache: Path) -> None:
    first = open_state(folder, cache, brokers=None, replica=None)
    assert open_state(folder, cache, brokers=None, replica=None) == first
    assert load_state(folder) == first


def test_only_the_owner_can_read_the_secrets(folder: Path, cache: Path) -> None:
    open_state(folder, cache, brokers=1, replica=False)
    assert stat.S_IMODE(state_path(folder).stat().st_mode) == 0o600


def test_no_secret_is_in_the_representation(folder: Path, cache: Path) -> None:
    state = open_state(folder, cache, brokers=1, replica=False)
    environment = stack_env(folder, state)
    for secret in state.secrets.values():
        assert secret not in repr(state)
        assert secret not in repr(environment)


def test_two_stacks_never_share_a_port(folder: Path, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first = open_state(folder, cache, brokers=3, replica=True)
    second = open_state(other, cache, brokers=3, replica=True)
    assert not set(first.ports.values()) & set(second.ports.values())
    assert len(set(first.ports.values())) == len(first.ports)


def test_ports_of_a_deleted_stack_are_given_back(folder: Path, cache: Path, tmp_path: Path) -> None:
    open_state(folder, cache, brokers=1, replica=False)
    folder.rename(tmp_path / "gone")
    other = tmp_path / "other"
    other.mkdir()
    open_state(other, cache, brokers=1, replica=False)
    assert list(json.loads((cache / "ports.json").read_text())) == [str(other)]


def test_a_stack_of_an_earlier_version_gets_the_ports_that_it_lacks(folder: Path, cache: Path) -> None:
    first = open_state(folder, cache, brokers=1, replica=False)
    earlier = {name: port for name, port in first.ports.items() if "prox" not in name}
    save_state(folder, replace(first, ports=earlier))
    again = open_state(folder, cache, brokers=None, replica=None)
    assert set(again.ports) == set(first.ports)
    assert earlier.items() <= again.ports.items()
    assert load_state(folder) == again


def test_another_number_of_brokers_is_refused(folder: Path, cache: Path) -> None:
    open_state(folder, cache, brokers=1, replica=None)
    with pytest.raises(LocalStackError, match="1 broker"):
        open_state(folder, cache, brokers=3, replica=None)


def test_a_replica_can_be_added_and_is_remembered(folder: Path, cache: Path) -> None:
    assert not open_state(folder, cache, brokers=None, replica=None).replica
    assert open_state(folder, cache, brokers=None, replica=True).replica
    assert open_state(folder, cache, brokers=None, replica=None).replica


def test_kafka_ids_have_the_form_that_kafka_reads() -> None:
    for _ in range(200):
        made = kafka_uuid()
        assert len(made) == 22
        assert not made.startswith("-")
