"""Which decisions on captures count, and what they do to punches.

A capture has one occurred_at for ever: ingest decides it once, and a second one is refused. Of several
decisions of recognition the one with the highest round counts; of equal rounds the first. What a person
decided in a review stands above them; of several reviews, the one recorded last. The person whom a capture
shows in the end has a punch by it; the punch of an earlier decision is taken back unless it is the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.projection.stored import (
    AcceptedPunch,
    FactKey,
    KnownCapture,
    KnownPunch,
    KnownReview,
)
from attendance_schemas.events import MatchDecided, Outcome, ReviewDecided
from service_kit.errors import PoisonRecord
from service_kit.kafka.records import Record

FACE = "face"


@dataclass(frozen=True, slots=True)
class ReceivedDecision:
    """A decision and the record that carried it."""

    record: Record
    event: MatchDecided


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decisions to store, one for each capture, and the punches that they add and take back."""

    stored: tuple[MatchDecided, ...]
    added: tuple[AcceptedPunch, ...]
    taken_back: tuple[AcceptedPunch, ...]
    without_effect: int


def judge_decisions(
    received: Sequence[ReceivedDecision],
    known: Mapping[FactKey, KnownCapture],
    reviews: Iterable[KnownReview] = (),
    new_reviews: Sequence[ReviewDecided] = (),
    taken_ids: Mapping[FactKey, KnownPunch] | None = None,
) -> Judgement:
    """Judge decisions in the order in which they were recorded against what is stored.

    `known` and `reviews` are what is stored about the captures that any of this names. Raises PoisonRecord,
    naming the record, for a second occurred_at of one capture, and for the id of a punch without a face.
    """
    newest: dict[FactKey, MatchDecided] = {}
    for decision in received:
        event, key = decision.event, capture_of(decision.event)
        current = newest.get(key) or known.get(key)
        _check(decision, current, None if taken_ids is None else taken_ids.get(key))
        if current is None or event.decision_round > current.decision_round:
            newest[key] = event
    reviews_before = _newest_reviews(reviews)
    reviews_after = _newest_reviews([*reviews_before.values(), *map(known_review, new_reviews)])
    captures = dict(known) | {key: known_capture(event) for key, event in newest.items()}
    added, taken_back = [], []
    for key in dict.fromkeys([*newest, *map(capture_of, new_reviews)]):
        before = punch_of(known.get(key), reviews_before.get(key))
        after = punch_of(captures.get(key), reviews_after.get(key))
        if before == after:
            continue
        if before is not None:
            taken_back.append(before)
        if after is not None:
            added.append(after)
    return Judgement(
        stored=tuple(newest.values()),
        added=tuple(added),
        taken_back=tuple(taken_back),
        without_effect=len(received) - len(newest),
    )


def _check(
    decision: ReceivedDecision,
    current: MatchDecided | KnownCapture | None,
    taken: KnownPunch | None,
) -> None:
    event = decision.event
    if current is not None and current.occurred_at != event.occurred_at:
        raise PoisonRecord(
            "second-occurred-at",
            f"capture {event.capture_id} occurred at {current.occurred_at.isoformat()}, this record says "
            f"{event.occurred_at.isoformat()}; the first stays, find out who changed it",
            record=decision.record,
        )
    if taken is not None and taken.method != FACE:
        raise PoisonRecord(
            "id-in-use",
            f"{event.capture_id} is a punch by {taken.method}, this record makes it a capture; "
            f" the first stays, find out why device {event.device_id} gave one id twice",
            record=decision.record,
        )


def capture_of(event: MatchDecided | ReviewDecided) -> FactKey:
    """Return which capture an event is about."""
    return FactKey(event.org_id, event.capture_id)


def known_capture(event: MatchDecided) -> KnownCapture:
    """Return what a decision says about its capture."""
    return KnownCapture(
        org_id=event.org_id,
        capture_id=event.capture_id,
        occurred_at=event.occurred_at,
        decision_round=event.decision_round,
        site_id=event.site_id,
        device_id=event.device_id,
        direction=None if event.direction is None else event.direction.value,
        outcome=event.outcome,
        person_id=event.person_id,
    )


def known_review(event: ReviewDecided) -> KnownReview:
    """Return what a review says about its capture."""
    return KnownReview(event.org_id, event.review_id, event.capture_id, event.person_id, event.recorded_at)


def _newest_reviews(reviews: Iterable[KnownReview]) -> dict[FactKey, KnownReview]:
    ordered = sorted(reviews, key=lambda review: (review.recorded_at, review.review_id))
    return {review.capture: review for review in ordered}


def punch_of(capture: KnownCapture | None, review: KnownReview | None = None) -> AcceptedPunch | None:
    """Return the punch that a capture makes: of whom a review names, else of whom recognition identified."""
    if capture is None:
        return None
    if review is not None:
        person_id = review.person_id
    else:
        person_id = capture.person_id if capture.outcome == Outcome.IDENTIFIED else None
    if person_id is None:
        return None
    return AcceptedPunch(
        org_id=capture.org_id,
        punch_id=capture.capture_id,
        occurred_at=capture.occurred_at,
        person_id=person_id,
        site_id=capture.site_id,
        device_id=capture.device_id,
        direction=capture.direction,
        method=FACE,
        capture_id=capture.capture_id,
    )
