"""Rounds of harm under load: nothing lost, nothing counted twice, by an auditor that asks only the query API.

Killed services, cut and crippled connections, servers taken away, rebalances. `make chaos` does 50 rounds.
"""

import json
import os

import asyncpg
import pytest

from chaos.run import FLOWING_COUNT, run_rounds
from chaos.scene import open_scene
from local_stack.for_tests.databases import columns_of

pytestmark = [pytest.mark.end_to_end, pytest.mark.chaos, pytest.mark.timeout(600)]

# CI repeats these; `make chaos` draws others each time and prints them.
SEED = int(os.environ.get("CHAOS_SEED", "9"))


async def test_harm_under_load_loses_and_doubles_nothing(stack_control, chaos_rounds, tmp_path, capsys):
    with capsys.disabled():
        async with open_scene(stack_control, tmp_path, SEED) as scene:
            report = await run_rounds(scene, SEED, chaos_rounds, print)
            assert not report.ended
            last = report.rounds[-1].verdict
            assert not last["findings"], json.dumps(last["findings"], indent=1)
            assert last["accepted"] == last["sent"] > FLOWING_COUNT * chaos_rounds
            await assert_the_auditor_sees_tampering(scene)


async def assert_the_auditor_sees_tampering(scene):
    """A day that is taken away is a loss, a day under two shifts is counted twice."""
    connection = await asyncpg.connect(scene.database.admin_url)
    try:
        days = await connection.fetch(
            "SELECT person_id, attendance_on, punch_count FROM attendance.attendance_day "
            "ORDER BY punch_count DESC, person_id LIMIT 2"
        )
        lost, doubled = days
        await connection.execute(
            "DELETE FROM attendance.attendance_day WHERE person_id = $1 AND attendance_on = $2",
            lost["person_id"],
            lost["attendance_on"],
        )
        columns = ", ".join(await columns_of(connection, "attendance.attendance_day"))
        await connection.execute(
            f"""
            INSERT INTO attendance.attendance_day ({columns})
            SELECT {columns.replace("shift_id", "'another'")}
            FROM attendance.attendance_day WHERE person_id = $1 AND attendance_on = $2
            """,  # noqa: S608
            doubled["person_id"],
            doubled["attendance_on"],
        )
        await connection.execute(
            """
            INSERT INTO attendance.day_explanation
            SELECT (jsonb_populate_record(why, '{"shift_id": "another"}')).*
            FROM attendance.day_explanation AS why WHERE person_id = $1 AND attendance_on = $2
            """,
            doubled["person_id"],
            doubled["attendance_on"],
        )
    finally:
        await connection.close()
    verdict = await scene.audit(wait_seconds=0)
    assert verdict["lost"] == lost["punch_count"]
    assert verdict["double_counted"] == doubled["punch_count"]
