"""Which decisions on captures count, and what they do to punches.

A capture has one occurred_at for ever: ingest decides it once, and a second one is refused. Of several
decisions of recognition the one with the highest round counts; of equal rounds the first. What people
decided in reviews stands above them, as far as their authority reaches. The person whom a capture shows in
the end has a punch by it; the punch of an earlier decision is taken back unless it is the same.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.projection.judge_reviews import Folded, Shown, fold_reviews, identified
from attendance_projector.projection.refusals import Reason, Refuse
from attendance_projector.projection.stored import (
    AcceptedPunch,
    FactKey,
    KnownCapture,
    KnownPunch,
    KnownReview,
)
from attendance_schemas.events import MatchDecided, ReviewDecided

FACE = "face"


@dataclass(frozen=True, slots=True)
class StoredOfCaptures:
    """What is stored about the captures and reviews that a batch names.

    `taken_ids`: punches whose ids are those of captures.
    """

    captures: Mapping[FactKey, KnownCapture]
    reviews: Sequence[KnownReview] = ()
    taken_ids: Mapping[FactKey, KnownPunch] | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decisions to store, one for each capture, and the punches that they add and take back.

    `reviewed`: what the reviews come to, of each capture that has any.
    """

    stored: tuple[MatchDecided, ...]
    added: tuple[AcceptedPunch, ...]
    taken_back: tuple[AcceptedPunch, ...]
    without_effect: int
    reviewed: tuple[Folded, ...] = ()


def judge_decisions(
    received: Sequence[MatchDecided],
    stored: StoredOfCaptures,
    refuse: Refuse,
    new_reviews: Sequence[ReviewDecided] = (),
) -> Judgement:
    """Judge decisions in the order in which they were recorded, and reviews, against what is stored.

    Refused are a second occurred_at of one capture, the id of a punch without a face, and a second content
    of one review.
    """
    sound = _sound(received, stored, refuse)
    newest = _newest(sound, stored.captures)
    captures = dict(stored.captures) | {key: known_capture(event) for key, event in newest.items()}
    before = _by_capture(stored.reviews)
    after = _by_capture(_first_of_each(stored.reviews, new_reviews, refuse))
    added, taken_back, reviewed = [], [], []
    for key in dict.fromkeys([*newest, *map(capture_of, new_reviews)]):
        punch_before, _ = _outcome(stored.captures.get(key), before[key])
        punch_after, folded = _outcome(captures.get(key), after[key])
        if folded is not None and after[key]:
            reviewed.append(folded)
        if punch_before == punch_after:
            continue
        if punch_before is not None:
            taken_back.append(punch_before)
        if punch_after is not None:
            added.append(punch_after)
    return Judgement(
        stored=tuple(newest.values()),
        added=tuple(added),
        taken_back=tuple(taken_back),
        without_effect=len(sound) - len(newest),
        reviewed=tuple(reviewed),
    )


def _sound(received: Sequence[MatchDecided], stored: StoredOfCaptures, refuse: Refuse) -> list[MatchDecided]:
    """Return the decisions that contradict nothing before them."""
    occurred_at = {key: capture.occurred_at for key, capture in stored.captures.items()}
    sound = []
    for event in received:
        key = capture_of(event)
        first_at = occurred_at.get(key)
        taken = None if stored.taken_ids is None else stored.taken_ids.get(key)
        if first_at is not None and first_at != event.occurred_at:
            detail = (
                f"capture {event.capture_id} occurred at {first_at.isoformat()}, this record says "
                f"{event.occurred_at.isoformat()}; the first stays, find out who changed it"
            )
            refuse(event, Reason("second-occurred-at", detail))
        elif taken is not None and taken.method != FACE:
            detail = (
                f"{event.capture_id} is a punch by {taken.method}, this record makes it a capture; the first "
                f"stays, find out why device {event.device_id} gave one id twice"
            )
            refuse(event, Reason("id-in-use", detail))
        else:
            occurred_at[key] = event.occurred_at
            sound.append(event)
    return sound


def _newest(
    sound: Iterable[MatchDecided], known: Mapping[FactKey, KnownCapture]
) -> dict[FactKey, MatchDecided]:
    """Return the decisions that take the place of what is stored, one for each capture."""
    newest: dict[FactKey, MatchDecided] = {}
    for event in sound:
        key = capture_of(event)
        current = newest.get(key) or known.get(key)
        if current is None or event.decision_round > current.decision_round:
            newest[key] = event
    return newest


def _first_of_each(
    stored: Iterable[KnownReview], new: Iterable[ReviewDecided], refuse: Refuse
) -> list[KnownReview]:
    """Return the stored and the new reviews, of each id the first."""
    first = {each.key: each for each in stored}
    for event in new:
        review = known_review(event)
        if first.setdefault(review.key, review) != review:
            detail = (
                f"review {event.review_id} says something else than the first one with this id, which stays; "
                "make a new review"
            )
            refuse(event, Reason("second-content", detail))
    return list(first.values())


def _by_capture(reviews: Iterable[KnownReview]) -> Mapping[FactKey, Sequence[KnownReview]]:
    found: dict[FactKey, list[KnownReview]] = defaultdict(list)
    for review in reviews:
        found[review.capture].append(review)
    return found


def _outcome(
    capture: KnownCapture | None, reviews: Sequence[KnownReview]
) -> tuple[AcceptedPunch | None, Folded | None]:
    """Return the punch that a capture makes, and what its reviews come to; nothing before it is known."""
    if capture is None:
        return None, None
    folded = fold_reviews(capture, reviews)
    return punch_of(capture, folded.shown), folded


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
        person_home_site_id=event.person_home_site_id,
    )


def known_review(event: ReviewDecided) -> KnownReview:
    """Return what a review says about its capture, and by which authority."""
    sites = event.authority.sites
    return KnownReview(
        org_id=event.org_id,
        review_id=event.review_id,
        capture_id=event.capture_id,
        person_id=event.person_id,
        home_site_id=event.home_site_id,
        made_by=event.authority.subject,
        sites=None if sites is None else frozenset(sites),
        recorded_at=event.recorded_at,
    )


def punch_of(capture: KnownCapture, shown: Shown | None = None) -> AcceptedPunch | None:
    """Return the punch of whom a capture shows; by default, of whom recognition identified."""
    person_id = (identified(capture) if shown is None else shown).person_id
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
