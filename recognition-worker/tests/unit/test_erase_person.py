from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from attendance_schemas.events import Authority, EnrolmentDecided, PersonErased, TemplateEnrolled
from recognition_worker.adapters.topics.erasure_sweep import ErasureSweep
from recognition_worker.domain.identity import OrgId, Person, PersonId, TemplateId
from recognition_worker.domain.person_keys import KeyId, PersonKey, PersonKeys
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.erase_person import ErasePerson
from service_kit.errors import TransientFailure

AT = datetime(2026, 3, 2, tzinfo=UTC)
ADA = Person(OrgId("acme"), PersonId("p-ada"))
BOB = ADA._replace(person_id=PersonId("p-bob"))
THEIR_ADA = ADA._replace(org_id=OrgId("globex"))
EVENT = PersonErased(
    event_id=UUID(int=1),
    occurred_at=AT,
    recorded_at=AT,
    org_id=ADA.org_id,
    erasure_id=UUID(int=2),
    person_id=ADA.person_id,
    authority=Authority(subject="hr-1", role="hr"),
)


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Stored:
    """What the topics hold. The write after `writes_left` others is the end of the process."""

    known: PersonKeys = field(default_factory=PersonKeys)
    templates: dict[tuple[Person, TemplateId], datetime] = field(default_factory=dict)
    completed: list[datetime] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    writes_left: int = 1000
    away: bool = False

    def _write(self, step: str) -> None:
        if self.away:
            raise TransientFailure("kafka", "away")
        if not self.writes_left:
            raise Crash
        self.writes_left -= 1
        self.steps.append(step)

    async def void(
        self, person: Person, erased_at: datetime, *, completed_at: datetime | None = None
    ) -> datetime:
        self._write("void" if completed_at is None else "complete")
        self.known.erase(person, erased_at)
        until = self.known.erased_at(person)
        assert until is not None
        if completed_at is not None:
            self.completed.append(completed_at)
            assert not self.known.requested_until(person, until)
        return until

    async def requested_until(self, person: Person, instant: datetime) -> list[KeyId]:
        return self.known.requested_until(person, instant)

    async def erase(self, person: Person, key_id: KeyId) -> None:
        self._write("key")
        self.known.forget(person, key_id)


@dataclass
class Templates:
    stored: Stored

    async def requested_until(self, person: Person, instant: datetime) -> list[TemplateId]:
        found = self.stored.templates.items()
        return [template for (whose, template), at in found if whose == person and at <= instant]

    async def came_back(self) -> list[tuple[Person, TemplateId]]:
        return [key for key, at in self.stored.templates.items() if self.stored.known.voids(key[0], at)]

    async def erase(self, person: Person, template_id: TemplateId) -> None:
        self.stored._write("template")
        self.stored.templates.pop((person, template_id), None)

    async def enrol(self, template: TemplateEnrolled) -> None:
        raise AssertionError("an erasure enrols nobody")

    async def decide(self, decision: EnrolmentDecided) -> None:
        raise AssertionError("an erasure decides nothing")


def enrolled() -> Stored:
    stored = Stored()
    for person, key_id, at in (
        (ADA, "k1", AT - timedelta(days=9)),
        (ADA, "k2", AT - timedelta(days=8)),
        (BOB, "k3", AT - timedelta(days=7)),
        (ADA, "k4", AT + timedelta(days=1)),
        (THEIR_ADA, "k5", AT - timedelta(days=9)),
    ):
        stored.known.issue(PersonKey(person, KeyId(key_id), "kek", b"", at))
        stored.templates[person, TemplateId(f"t-{key_id}")] = at
    return stored


def eraser(stored: Stored, registry: CollectorRegistry | None = None) -> ErasePerson:
    metrics = RecognitionMetrics(registry or CollectorRegistry())
    return ErasePerson(stored, Templates(stored), Templates(stored), metrics, now=lambda: AT)


def left(stored: Stored) -> tuple[list[str], list[str]]:
    return sorted(key.key_id for key in stored.known), sorted(template for _, template in stored.templates)


async def test_keys_go_before_templates_and_others_stay() -> None:
    stored, registry = enrolled(), CollectorRegistry()
    with capture_logs() as logs:
        await eraser(stored, registry)(EVENT)
    assert left(stored) == (["k3", "k4", "k5"], ["t-k3", "t-k4", "t-k5"])
    assert stored.steps == ["void", "key", "key", "template", "template", "complete"]
    assert registry.get_sample_value("recognition_erasures_total") == 1
    assert [(entry["key_count"], entry["template_count"]) for entry in logs] == [(2, 2)]
    assert "p-ada" not in str(logs)


@pytest.mark.parametrize("writes", range(6))
async def test_a_crash_after_any_step_is_finished_by_the_redelivery(writes: int) -> None:
    stored = enrolled()
    stored.writes_left = writes
    with pytest.raises(Crash):
        await eraser(stored)(EVENT)
    assert stored.completed == []
    stored.writes_left = 1000
    await eraser(stored)(EVENT)
    assert left(stored) == (["k3", "k4", "k5"], ["t-k3", "t-k4", "t-k5"])
    assert stored.completed == [AT]


async def test_again_changes_nothing() -> None:
    stored = enrolled()
    for _ in range(3):
        await eraser(stored)(EVENT)
    assert left(stored) == (["k3", "k4", "k5"], ["t-k3", "t-k4", "t-k5"])
    assert stored.steps[6:] == ["void", "complete"] * 2


async def test_an_erasure_that_comes_again_does_not_call_a_later_one_complete() -> None:
    """The later one was cut off, and the earlier one is the first that is delivered again."""
    stored, later = enrolled(), structs.replace(EVENT, occurred_at=AT + timedelta(days=2))
    await eraser(stored)(EVENT)
    stored.writes_left = 1
    with pytest.raises(Crash):
        await eraser(stored)(later)
    stored.writes_left = 1000
    await eraser(stored)(EVENT)
    assert left(stored) == (["k3", "k5"], ["t-k3", "t-k5"])


async def test_it_is_not_complete_while_kafka_is_away() -> None:
    stored = enrolled()
    stored.away = True
    with pytest.raises(TransientFailure):
        await eraser(stored)(EVENT)
    assert stored.completed == []


async def test_what_comes_back_is_erased_again_but_no_erasure_under_way() -> None:
    stored, registry = enrolled(), CollectorRegistry()
    sweep = ErasureSweep(stored, Templates(stored), Templates(stored), RecognitionMetrics(registry))
    assert await sweep.sweep() == 0
    await eraser(stored)(EVENT)
    # A worker that was cut off writes on.
    stored.known.issue(PersonKey(ADA, KeyId("k9"), "kek", b"", AT - timedelta(days=1)))
    stored.templates[ADA, TemplateId("t-k9")] = AT - timedelta(days=1)
    assert await sweep.sweep() == 0
    assert await sweep.sweep() == 2
    assert left(stored) == (["k3", "k4", "k5"], ["t-k3", "t-k4", "t-k5"])
    assert await sweep.sweep() == 0
    assert registry.get_sample_value("recognition_erased_again_total") == 2
