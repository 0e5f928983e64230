"""Answer what was decided about a capture, as soon as it is known.

A decision is seen on its topic well before it reaches the read model, so both are asked:
1. subscribe to the capture's decisions, those of the last moments included;
2. take a decision from the feed, if it may be seen, and for people with the review that stands above it;
3. else look into the months that the capture's id points to;
4. repeat 2 and 3 until the time is over (3 also answers when the feed is broken);
5. look once more into every month that is kept: the device's clock may have been wrong when it made the id;
   then ask what else became of the capture.

A database outage does not keep a kiosk from showing a result that the feed knows; only the names are missing
then. A decision that the caller may not see is treated as none, so that an answer tells nothing about other
organisations' ids.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from attendance_schemas.events import MatchDecided, Outcome
from query_api.domain.fates import CAPTURE
from query_api.domain.rows import Capture, Recognition
from query_api.domain.scope import Scope
from query_api.domain.time_range import InstantRange, kept_range, likely_range
from query_api.errors import ReadModelUnavailable
from query_api.fates import not_applied
from query_api.ports import CaptureReader, DecisionFeed, Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSources:
    """Where decisions are found. `monotonic` in seconds; the read model is looked into every `recheck`."""

    reader: CaptureReader
    feed: DecisionFeed
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    recheck: timedelta


async def await_decision(
    capture_id: UUID, *, scope: Scope, wait: timedelta, sources: DecisionSources
) -> Capture:
    """Return the decided capture, waiting at most `wait`. Raises NotApplied, which says why there is none."""
    deadline = sources.monotonic() + wait.total_seconds()
    wide = kept_range(sources.now())
    instants = likely_range(capture_id) or wide
    with sources.feed.subscribe(scope.org_id, capture_id) as subscription:
        pause = 0.0
        while True:
            event = await _next_visible(subscription, scope, pause, sources.monotonic)
            if event is not None:
                reviewed = await _reviewed(event, scope, instants, sources.reader)
                return _for(scope, reviewed or await _named(event, sources.reader))
            pause = min(sources.recheck.total_seconds(), deadline - sources.monotonic())
            last_look = pause <= 0 or sources.feed.stopping
            capture = await _stored(
                capture_id, scope, wide if last_look else instants, sources.reader, last_look
            )
            if capture is not None:
                return _for(scope, capture)
            if last_look:
                raise await not_applied(CAPTURE, capture_id, scope, sources.reader, sources.now())


async def _next_visible(
    subscription: Subscription, scope: Scope, timeout: float, monotonic: Callable[[], float]
) -> MatchDecided | None:
    until = monotonic() + timeout
    while event := await subscription.next_decision(max(0.0, until - monotonic())):
        if scope.allows_capture(org_id=event.org_id, site_id=event.site_id, device_id=event.device_id):
            return event
    return None


async def _stored(
    capture_id: UUID, scope: Scope, instants: InstantRange, reader: CaptureReader, last_look: bool
) -> Capture | None:
    try:
        return await reader.capture(scope, capture_id, instants)
    except ReadModelUnavailable:
        # The feed may still answer; only when the time is over is the outage the answer.
        if last_look:
            raise
        return None


async def _reviewed(
    event: MatchDecided, scope: Scope, instants: InstantRange, reader: CaptureReader
) -> Capture | None:
    """Return the row of a decision when it has a review, which no device is told."""
    if scope.device_id is not None:
        return None
    row = await _stored(event.capture_id, scope, instants, reader, last_look=False)
    return None if row is None or row.review is None else row


async def _named(event: MatchDecided, reader: CaptureReader) -> Capture:
    try:
        display_name, site_name = await reader.names(
            event.org_id, person_id=event.person_id, site_id=event.site_id
        )
    except ReadModelUnavailable:
        display_name = site_name = None
    return Capture(
        capture_id=event.capture_id,
        occurred_at=event.occurred_at,
        site_id=event.site_id,
        site_name=site_name,
        device_id=event.device_id,
        device_sequence=event.device_sequence,
        direction=event.direction,
        time_trust=event.time_trust,
        outcome=event.outcome,
        person_id=event.person_id,
        display_name=display_name,
        reason="; ".join(event.reasons) or None,
        image_sha256=event.image.sha256,
        received_at=event.received_at,
        decided_at=event.recorded_at,
        recognition=Recognition(
            score=event.score,
            runner_up_person_id=event.runner_up_person_id,
            runner_up_score=event.runner_up_score,
            threshold=event.threshold,
            margin=event.margin,
            model_name=event.model_name,
            model_version=event.model_version,
            decision_round=event.decision_round,
        ),
    )


def _for(scope: Scope, capture: Capture) -> Capture:
    """Leave out what a device has no use for: who it might have been, of whom nobody is sure."""
    if scope.device_id is None:
        return capture
    if capture.outcome != Outcome.IDENTIFIED:
        capture = replace(capture, person_id=None, display_name=None)
    return replace(capture, recognition=None, review=None)
