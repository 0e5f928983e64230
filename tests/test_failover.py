"""A standby that lacks the newest transactions takes over under load: nothing is lost, nothing counts twice.

By the auditor, who asks only the query API. `make failover` does 20 rounds.
"""

import json

import pytest

from chaos.plan import failovers
from chaos.run import run_rounds
from chaos.scene import open_scene

pytestmark = [pytest.mark.end_to_end, pytest.mark.chaos, pytest.mark.timeout(600)]

SEED = 3


async def test_a_promoted_standby_that_lagged_loses_and_doubles_nothing(stack_control, tmp_path, capsys):
    with capsys.disabled():
        async with open_scene(stack_control, tmp_path, SEED) as scene:
            report = await run_rounds(scene, SEED, 2, print, failovers)
    assert not report.ended
    last = report.rounds[-1].verdict
    assert not last["findings"], json.dumps(last["findings"], indent=1)
    assert last["accepted"] == last["sent"] > 0
    # Else nothing was shown: the standby had everything.
    assert all(lacked > 0 for lacked in report.lacked)
    log = (tmp_path / "attendance-projector.log").read_text()
    assert "the database lacks facts that were applied" in log
