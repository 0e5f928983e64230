from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from attendance_schemas.events import MatchDecided, Outcome
from query_api.captures.await_decision import DecisionSources, await_decision
from query_api.domain.rows import Capture, CaptureReview, Recognition
from query_api.domain.scope import Scope
from query_api.errors import NotApplied, ReadModelUnavailable

CAPTURE_ID = UUID("019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55")
ACME = Scope(org_id="acme")
WAIT = timedelta(seconds=5)
RECOGNITION = Recognition(
    score=0.7,
    runner_up_person_id="p-9",
    runner_up_score=0.2,
    threshold=0.5,
    margin=0.1,
    model_name="SFace",
    model_version="1",
    decision_round=0,
)
Make = Callable[..., MatchDecided]


@pytest.fixture
def sources(read_model: Any, feed: Any, clock: Any) -> DecisionSources:
    return DecisionSources(
        reader=read_model,
        feed=feed,
        now=lambda: datetime(2026, 3, 2, 3, 0, tzinfo=UTC),
        monotonic=clock.monotonic,
        recheck=timedelta(seconds=1),
    )


async def test_a_decision_in_the_read_model_is_answered_at_once(
    sources: DecisionSources, read_model: Any, clock: Any, capture_row: Callable[..., Capture]
) -> None:
    read_model.decided = [capture_row()]
    assert await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources) == capture_row()
    assert clock.seconds == 0


async def test_a_decision_on_the_topic_wakes_the_request_and_gets_its_names(
    sources: DecisionSources, feed: Any, clock: Any, decision: Make
) -> None:
    feed.coming = [(2.5, decision(reasons=("a", "b")))]
    capture = await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert clock.seconds == 2.5
    assert (capture.outcome, capture.person_id, capture.display_name) == ("IDENTIFIED", "p-1", "Asha Rao")
    assert (capture.site_name, capture.reason) == ("Pune plant", "a; b")
    assert capture.recognition is not None
    assert capture.recognition.score == 0.7
    assert feed.open_count == 0


async def test_a_review_shows_on_a_decision_of_moments_ago(
    sources: DecisionSources, read_model: Any, feed: Any, decision: Make, capture_row: Callable[..., Capture]
) -> None:
    review = CaptureReview(
        review_id=UUID(int=1),
        person_id="p-2",
        display_name="Bela Das",
        made_by="hr-1",
        reason="seen",
        recorded_at=datetime(2026, 3, 2, 3, 0, tzinfo=UTC),
    )
    read_model.decided = [capture_row(review=review)]
    feed.coming = [(0.0, decision())]
    for scope, shown in ((ACME, review), (replace(ACME, device_id="kiosk-3"), None)):
        found = await await_decision(CAPTURE_ID, scope=scope, wait=WAIT, sources=sources)
        assert found.review == shown


async def test_an_undecided_capture_is_a_refusal_after_the_wait(
    sources: DecisionSources, feed: Any, clock: Any
) -> None:
    with pytest.raises(NotApplied, match=str(CAPTURE_ID)):
        await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert clock.seconds == 5
    assert feed.open_count == 0


async def test_without_a_wait_the_answer_is_immediate(sources: DecisionSources, clock: Any) -> None:
    with pytest.raises(NotApplied):
        await await_decision(CAPTURE_ID, scope=ACME, wait=timedelta(0), sources=sources)
    assert clock.seconds == 0


async def test_the_read_model_answers_while_the_feed_is_broken(
    sources: DecisionSources, read_model: Any, feed: Any, clock: Any, capture_row: Callable[..., Capture]
) -> None:
    class Later(list[Capture]):
        def __iter__(self) -> Any:
            return iter([capture_row()] if clock.seconds >= 2 else [])

    read_model.decided = Later()
    await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert clock.seconds == 2


async def test_a_capture_of_a_device_with_a_wrong_clock_is_found_by_the_second_look(
    sources: DecisionSources, read_model: Any, capture_row: Callable[..., Capture]
) -> None:
    read_model.decided = [capture_row(occurred_at=datetime(2025, 9, 1, tzinfo=UTC))]
    found = await await_decision(CAPTURE_ID, scope=ACME, wait=timedelta(0), sources=sources)
    assert found.occurred_at.year == 2025
    spans = [asked["instants"].ends_at - asked["instants"].starts_at for _, asked in read_model.asked]
    assert spans == [timedelta(days=402)]


async def test_most_looks_stay_within_the_months_of_the_id(sources: DecisionSources, read_model: Any) -> None:
    with pytest.raises(NotApplied):
        await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    looks = [asked for name, asked in read_model.asked if name == "capture"]
    spans = [asked["instants"].ends_at - asked["instants"].starts_at for asked in looks]
    assert spans[:-1] == [timedelta(days=37)] * (len(spans) - 1)
    assert spans[-1] == timedelta(days=402)


@pytest.mark.parametrize(
    "change",
    [{"org_id": "other"}, {"site_id": "elsewhere"}, {"device_id": "kiosk-4"}],
    ids=lambda c: next(iter(c)),
)
async def test_a_decision_out_of_scope_looks_like_none(
    sources: DecisionSources, feed: Any, clock: Any, decision: Make, change: dict[str, str]
) -> None:
    scope = Scope(org_id="acme", sites=frozenset({"pune-1"}), device_id="kiosk-3")
    feed.coming = [(1.0, decision(**change))]
    with pytest.raises(NotApplied):
        await await_decision(CAPTURE_ID, scope=scope, wait=WAIT, sources=sources)
    assert clock.seconds == 5, "the answer comes no earlier than for an unknown id"


async def test_a_device_is_not_told_who_else_it_might_have_been(
    sources: DecisionSources, feed: Any, read_model: Any, decision: Make, capture_row: Callable[..., Capture]
) -> None:
    device = Scope(org_id="acme", device_id="kiosk-3")
    feed.coming = [(0.0, decision())]
    from_topic = await await_decision(CAPTURE_ID, scope=device, wait=WAIT, sources=sources)
    read_model.decided = [capture_row(recognition=RECOGNITION)]
    from_rows = await await_decision(CAPTURE_ID, scope=device, wait=WAIT, sources=sources)
    assert from_topic.recognition is None
    assert from_rows.recognition is None
    assert from_rows.display_name == "Asha Rao"
    reader = await await_decision(
        CAPTURE_ID, scope=replace(device, device_id=None), wait=WAIT, sources=sources
    )
    assert reader.recognition == RECOGNITION


@pytest.mark.parametrize("outcome", [Outcome.REVIEW, Outcome.SUSPECTED_SPOOF])
async def test_a_device_is_not_told_a_person_that_nobody_is_sure_of(
    outcome: Outcome,
    sources: DecisionSources,
    feed: Any,
    read_model: Any,
    decision: Make,
    capture_row: Callable[..., Capture],
) -> None:
    device = Scope(org_id="acme", device_id="kiosk-3")
    feed.coming = [(0.0, decision(outcome=outcome))]
    from_topic = await await_decision(CAPTURE_ID, scope=device, wait=WAIT, sources=sources)
    read_model.decided = [capture_row(outcome=outcome.value)]
    from_rows = await await_decision(CAPTURE_ID, scope=device, wait=WAIT, sources=sources)
    for capture in (from_topic, from_rows):
        assert (capture.outcome, capture.person_id, capture.display_name) == (outcome, None, None)
    reader = await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert reader.person_id == "p-1"


async def test_a_database_outage_does_not_hide_what_the_topic_says(
    sources: DecisionSources, feed: Any, read_model: Any, decision: Make
) -> None:
    read_model.failure = ReadModelUnavailable("away")
    feed.coming = [(1.5, decision(outcome=Outcome.UNKNOWN, person_id=None))]
    capture = await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert (capture.outcome, capture.display_name, capture.site_name) == ("UNKNOWN", None, None)


async def test_a_database_outage_is_the_answer_when_nothing_else_is_known(
    sources: DecisionSources, read_model: Any, clock: Any
) -> None:
    read_model.failure = ReadModelUnavailable("away")
    with pytest.raises(ReadModelUnavailable):
        await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert clock.seconds == 5


async def test_stopping_ends_the_wait(sources: DecisionSources, feed: Any, clock: Any) -> None:
    feed.stopping = True
    with pytest.raises(NotApplied):
        await await_decision(CAPTURE_ID, scope=ACME, wait=WAIT, sources=sources)
    assert clock.seconds == 0
