"""A plan that `attendance-ops` writes, as `attendance-projector effect` reads it."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from attendance_schemas.topics import MATCHES

pytestmark = pytest.mark.integration

GOES_ROUND = (("replay-attempt", b"3"),)


async def ended(process: Any) -> tuple[int, str, str]:
    out, err = await process.communicate()
    assert b"Traceback" not in err, err.decode()
    return process.returncode, out.decode(), err.decode()


async def planned(cluster: Any, file: Path) -> None:
    code, _, err = await ended(
        await cluster.start(
            *("replay", "plan", "matches", "--out", str(file)),
            module="attendance_ops",
            is_heard=True,
            is_printing=True,
        )
    )
    assert code == 0, err


async def effect(cluster: Any, file: Path) -> tuple[int, str, str]:
    return await ended(await cluster.start("effect", str(file), "--json", is_heard=True, is_printing=True))


async def test_the_days_of_a_plan_are_told(cluster: Any, plant: Any, tmp_path: Path) -> None:
    for hour in ("08:00", "12:00"):
        await cluster.publish(plant.match("asha", f"2026-03-02T{hour}+05:30"), MATCHES)
    await cluster.publish(plant.match("asha", "2026-03-03T08:00+05:30"), MATCHES, GOES_ROUND)
    file = tmp_path / "plan.json"
    await planned(cluster, file)
    plan = json.loads(file.read_text())
    assert (plan["count"], sum(map(len, plan["offsets"].values()))) == (3, 2)  # the third will be set aside
    code, out, err = await effect(cluster, file)
    assert (code, json.loads(out)["changed"]) == (0, 1), err
    assert [day["attendance_on"] for day in json.loads(out)["days"]] == ["2026-03-02"]

    partition = next(iter(plan["offsets"]))
    for changes, told in (
        ({"offsets": {"-1": [0]}}, "no plan"),
        ({"offsets": {"x": [0]}}, "no plan"),
        ({"offsets": {partition: []}}, "no plan"),
        ({"offsets": {partition: [-1]}}, "no plan"),
        ({"offsets": {partition: [2**80]}}, "ends at"),
        ({"offsets": {"77": [0]}}, "has no partition 77"),
        ({"offsets": {partition: [50]}}, "ends at"),
        ({"offsets": {}}, "up to 10,000"),
        ({"topic": "attendance.punches"}, "does not go to"),
        ({"topic_id": str(uuid4())}, "not the topic that was planned for"),
    ):
        file.write_text(json.dumps(plan | changes))
        code, _, err = await effect(cluster, file)
        assert (code, told in err) == (1, True), (changes, err)
