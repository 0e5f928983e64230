"""What stops a process that runs a replay, in whatever order steps reach the log."""

from uuid import UUID, uuid4

import pytest

from attendance_ops.operations import step_of
from attendance_ops.replay.journal import stopping_step
from attendance_schemas.events import ReplayState

JOB, US, THEM, SOMEBODY = (uuid4() for _ in range(4))
RUNNING, PAUSED, CANCELLED = ReplayState.RUNNING, ReplayState.PAUSED, ReplayState.CANCELLED
APPROVED = ReplayState.APPROVED


@pytest.mark.parametrize(
    ("steps", "stops"),
    [
        ([(US, RUNNING)], None),
        ([(THEM, RUNNING), (US, RUNNING)], None),
        ([(THEM, RUNNING), (THEM, PAUSED), (US, RUNNING), (US, RUNNING)], None),
        ([(SOMEBODY, CANCELLED), (US, RUNNING)], None),
        ([(US, RUNNING), (SOMEBODY, PAUSED)], PAUSED),
        # A checkpoint of ours that was on its way.
        ([(US, RUNNING), (SOMEBODY, CANCELLED), (US, RUNNING)], CANCELLED),
        ([(US, RUNNING), (THEM, RUNNING)], RUNNING),
        ([(US, RUNNING), (THEM, RUNNING), (US, RUNNING)], RUNNING),
        # One of theirs: they read our claim next, and stop.
        ([(THEM, RUNNING), (US, RUNNING), (THEM, RUNNING)], None),
        ([(THEM, RUNNING), (US, RUNNING), (THEM, RUNNING), (SOMEBODY, PAUSED), (US, RUNNING)], PAUSED),
        ([(US, RUNNING), (SOMEBODY, APPROVED)], None),
    ],
)
def test_a_process_stops_for_what_was_said_since_its_claim(
    steps: list[tuple[UUID, ReplayState]], stops: ReplayState | None
) -> None:
    made = [step_of(JOB, state, runner_id=runner, operator="meera") for runner, state in steps]
    other = step_of(uuid4(), CANCELLED, runner_id=SOMEBODY, operator="meera")
    found = stopping_step([*made, other], JOB, US)
    assert (found and found.state) == stops
