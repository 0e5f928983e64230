from collections import Counter

import pytest

from chaos.plan import KINDS, LINKS, LONGEST, LOST_POSITIONS, SERVICES, SHORTEST, rounds


def test_a_seed_repeats_its_harm() -> None:
    assert list(rounds(7, 50)) == list(rounds(7, 50))
    assert list(rounds(7, 50)) != list(rounds(8, 50))
    assert list(rounds(7, 3)) == list(rounds(7, 50))[:3]


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_of_harm_comes_by_turns(seed: int) -> None:
    found = list(rounds(seed, 50))
    assert [harms[0].kind for harms in found] == [KINDS[number % len(KINDS)] for number in range(50)]
    assert all(2 <= len(harms) <= 3 for harms in found if harms[0].kind != "positions")
    assert all(len(harms) == 1 for harms in found if harms[0].kind == "positions")
    assert all(SHORTEST <= harm.lasts <= LONGEST for harms in found for harm in harms)


def test_fifty_rounds_leave_nothing_out() -> None:
    harms = [harm for harms in rounds(101, 50) for harm in harms]
    targets = Counter((harm.kind, harm.target) for harm in harms)
    assert {("kill", service) for service in SERVICES} <= targets.keys()
    assert {("link", link) for link in LINKS} <= targets.keys()
    assert {"cut", "reset_peer", "timeout", "latency", "bandwidth", "limit_data"} <= {
        harm.how for harm in harms
    }
    assert ("server", "kafka") in targets
    assert ("registry", "registry") in targets
    assert {(harm.target, harm.how) for harm in harms if harm.kind == "positions"} == set(LOST_POSITIONS)
