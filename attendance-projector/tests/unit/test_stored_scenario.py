from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
import pytest

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import RosterEntry, ShiftId
from attendance_projector.domain.schedule import NO_POLICY, Schedule
from attendance_projector.explain.scenario.apply import explain_scenario, read_scenario, write_scenario
from attendance_projector.explain.scenario.rule_inputs import punches_of, schedule_of
from attendance_projector.explain.stored_scenario import PersonFacts, scenario_of
from attendance_projector.projection.stored import CorrectionRow, KnownPerson, PersonKey, Terms
from attendance_testing.projector.random_months import random_month

MONDAY = date(2026, 3, 2)
ONE_SHIFT = b"""{"site_zone": "UTC", "default_shift": "day",
                 "shifts": [{"id": "day", "start": "08:00", "end": "16:00"}]}"""


def facts(schedule: Schedule, *corrections: CorrectionRow) -> PersonFacts:
    terms = Terms("site", schedule.default_shift, schedule.employment)
    person = KnownPerson(PersonKey("org", "p-1"), Dated(terms), schedule)
    return PersonFacts(person, schedule, [], corrections, datetime(2026, 3, 9, tzinfo=UTC))


@pytest.mark.parametrize("seed", range(60))
def test_a_schedule_comes_back_from_the_file(seed: int) -> None:
    scenario = read_scenario(msgspec.json.encode(random_month(seed)))
    schedule = schedule_of(scenario)
    exported = replace(facts(schedule), punches=punches_of(scenario, schedule.zone))
    assert scenario.range is not None
    first_on, last_on = scenario.range
    again = read_scenario(write_scenario(scenario_of(exported, first_on, last_on)))
    back = schedule_of(again)
    assert {each for each in schedule.leave if first_on <= each.on <= last_on} == back.leave
    assert {on for on in schedule.holidays if first_on <= on <= last_on} == back.holidays
    assert replace(back, leave=schedule.leave, holidays=schedule.holidays, policies=()) == replace(
        schedule, policies=()
    )
    assert back.policy_on(first_on) == replace(
        schedule.policy_on(first_on), effective_on=back.policy_on(first_on).effective_on
    )
    assert punches_of(again, back.zone) == list(exported.punches)
    assert again.person.id == "p-1"


def test_a_shift_that_is_named_and_not_recorded_takes_the_date_from_the_default_shift() -> None:
    plan = schedule_of(read_scenario(ONE_SHIFT))
    gone = replace(plan, roster=(RosterEntry(ShiftId("gone"), MONDAY, MONDAY),))
    shown = [
        explain_scenario(read_scenario(write_scenario(scenario_of(facts(each), MONDAY, MONDAY))))["days"]
        for each in (plan, gone)
    ]
    assert [len(days) for days in shown] == [1, 0]


def test_before_the_first_policy_nobody_is_waited_for() -> None:
    plan = schedule_of(read_scenario(ONE_SHIFT))
    bare = replace(plan, policies=())
    back = schedule_of(read_scenario(write_scenario(scenario_of(facts(bare), MONDAY, MONDAY))))
    assert not back.policy_on(MONDAY).expects_attendance
    assert back.policy_on(MONDAY).name == NO_POLICY.name


def test_only_corrections_of_the_range_are_in_the_file_and_whatever_voids_them() -> None:
    plan = schedule_of(read_scenario(b'{"site_zone": "UTC"}'))
    made = {"org_id": "org", "person_id": "p-1", "made_by": "hr-1", "reason": "asked"}

    def row(number: int, kind: str, **fields: object) -> CorrectionRow:
        at = datetime(2026, 3, 3, number, tzinfo=UTC)
        return CorrectionRow(correction_id=UUID(int=number), kind=kind, recorded_at=at, **made, **fields)  # type: ignore[arg-type]

    added = row(1, "ADD", punch_id=UUID(int=11), occurred_at=datetime(2026, 3, 2, 8, tzinfo=UTC))
    elsewhere = row(2, "ADD", punch_id=UUID(int=12), occurred_at=datetime(2026, 5, 2, 8, tzinfo=UTC))
    voids = [row(3 + n, "VOID", voided_correction_id=UUID(int=each)) for n, each in enumerate((1, 2, 3))]
    of_unknown = row(7, "VOID", punch_id=UUID(int=99))
    scenario = scenario_of(facts(plan, added, elsewhere, *voids, of_unknown), MONDAY, MONDAY)
    assert [each.id for each in scenario.corrections] == [str(UUID(int=n)) for n in (1, 3, 5)]
    assert explain_scenario(scenario)["unscheduled"] == [str(UUID(int=11))]
