"""One suite for every DeviceSequences: the fake of the unit tests, and Valkey."""

import asyncio
import random
import secrets
from collections.abc import AsyncIterator

import pytest

from ingest.adapters.valkey_device_sequences import ValkeyDeviceSequences
from ingest.domain.sequence_ranges import SequenceRanges
from ingest.ports import DeviceSequences
from service_kit.errors import TransientFailure

PATIENT_SECONDS = 30.0
GATE_1, GATE_2 = ("acme", "gate-1"), ("acme", "gate-2")


@pytest.fixture
async def valkey(stack) -> AsyncIterator[ValkeyDeviceSequences]:
    # What it does when there is no answer in time has tests of its own: here a busy machine may take longer.
    sequences = ValkeyDeviceSequences(
        stack.valkey_url, prefix=f"t{secrets.token_hex(4)}.", call_seconds=PATIENT_SECONDS
    )
    yield sequences
    await sequences.close()


@pytest.fixture
async def complete_valkey(valkey: ValkeyDeviceSequences) -> ValkeyDeviceSequences:
    await valkey.finish_rebuild({})
    return valkey


@pytest.fixture(params=["sequences", pytest.param("complete_valkey", marks=pytest.mark.integration)])
def complete(request: pytest.FixtureRequest) -> DeviceSequences:
    found: DeviceSequences = request.getfixturevalue(request.param)
    return found


async def test_the_highest_without_a_gap_is_acknowledged(complete):
    answers = [await complete.record(GATE_1, number) for number in (1, 2, 5, 4, 2, 7, 3, 6)]
    assert answers == [1, 2, 2, 2, 2, 2, 5, 7]


async def test_nothing_is_acknowledged_before_the_first(complete):
    assert await complete.record(GATE_1, 2) == 0
    assert await complete.record(GATE_1, 1) == 2


async def test_devices_count_for_themselves(complete):
    assert await complete.record(GATE_1, 1) == 1
    assert await complete.record(GATE_2, 2) == 0
    assert await complete.record(("globex", "gate-1"), 2) == 0


async def test_large_numbers_are_exact(complete):
    assert await complete.record(GATE_1, 2**53 - 1) == 0
    assert await complete.record(GATE_1, 2**53 - 2) == 0
    assert await complete.record(GATE_1, 1) == 1


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_gives_what_the_domain_gives(complete, seed):
    numbers = list(range(1, 120))
    random.Random(seed).shuffle(numbers)
    expected = SequenceRanges()
    for number in numbers:
        expected.add(number)
        assert await complete.record(GATE_1, number) == expected.acknowledged


async def test_calls_at_once_lose_nothing(complete):
    await asyncio.gather(*(complete.record(GATE_1, number) for number in range(2, 100)))
    assert await complete.record(GATE_1, 1) == 99


@pytest.mark.integration
async def test_without_its_marker_nothing_is_claimed_but_everything_kept(valkey):
    assert await valkey.record(GATE_1, 3) is None
    assert valkey.incomplete.is_set()
    assert await valkey.begin_rebuild()
    assert not valkey.incomplete.is_set()
    await valkey.finish_rebuild({GATE_1: SequenceRanges([(1, 1)]), GATE_2: SequenceRanges([(1, 8)])})
    assert await valkey.record(GATE_1, 2) == 3
    assert await valkey.record(GATE_2, 9) == 9
    assert not await valkey.begin_rebuild()


@pytest.mark.integration
async def test_a_rebuild_marks_the_state_as_unfinished_for_everybody(valkey):
    await valkey.finish_rebuild({})
    assert await valkey.record(GATE_1, 1) == 1
    valkey._missed = True
    assert await valkey.begin_rebuild()
    assert await valkey.record(GATE_1, 2) is None
    await valkey.finish_rebuild({})
    assert await valkey.record(GATE_1, 3) == 3


async def test_a_valkey_that_is_away_delays_nobody():
    sequences = ValkeyDeviceSequences("redis://127.0.0.1:9/0", monotonic=lambda: 0.0)
    assert await sequences.record(GATE_1, 1) is None
    assert sequences.incomplete.is_set()
    with pytest.raises(TransientFailure):
        await sequences.begin_rebuild()
    with pytest.raises(TransientFailure):
        await sequences.finish_rebuild({})
    await sequences.close()


async def test_a_number_that_arrived_is_used_and_one_of_a_gap_is_not(complete):
    for number in (1, 2, 3, 7, 8, 2**53 - 2):
        await complete.record(GATE_1, number)
    answers = [await complete.highest_if_used(GATE_1, number) for number in (1, 3, 4, 7, 8, 9, 2**53 - 2)]
    assert answers == [2**53 - 2, 2**53 - 2, None, 2**53 - 2, 2**53 - 2, None, 2**53 - 2]
    assert await complete.highest_if_used(GATE_2, 1) is None
    assert await complete.highest_if_used(("globex", "gate-1"), 1) is None


async def test_after_the_last_number_of_all_a_device_still_counts_on(complete):
    for number in (1, 2, 2**53 - 1):
        await complete.record(GATE_1, number)
    assert await complete.highest_if_used(GATE_1, 1) == 2
    assert await complete.highest_if_used(GATE_1, 2**53 - 1) == 2
    await complete.record(GATE_2, 2**53 - 1)
    assert await complete.highest_if_used(GATE_2, 2**53 - 1) is None


@pytest.mark.integration
async def test_without_its_marker_no_number_is_known_to_be_used(valkey):
    await valkey.record(GATE_1, 1)
    assert await valkey.highest_if_used(GATE_1, 1) is None
    await valkey.finish_rebuild({})
    assert await valkey.highest_if_used(GATE_1, 1) == 1


async def test_what_is_missed_while_valkey_is_left_in_peace_is_missed():
    now = 0.5
    sequences = ValkeyDeviceSequences("redis://127.0.0.1:9/0", monotonic=lambda: now)
    assert await sequences.highest_if_used(GATE_1, 1) is None
    assert not sequences.incomplete.is_set()
    assert await sequences.record(GATE_1, 1) is None
    assert sequences.incomplete.is_set()
    assert sequences._missed
    await sequences.close()
