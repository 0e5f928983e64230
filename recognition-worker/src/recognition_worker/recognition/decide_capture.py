"""Decides one capture: fetch its image, identify, publish the match. Returns when the match is acknowledged.

While models run side by side, the rollout says whose result counts; the others' go to the shadow topic.
Undecodable bytes are poison; NO_FACE, POOR_QUALITY and UNKNOWN are outcomes like any other.
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from attendance_schemas.events import CaptureReceived, MatchDecided
from recognition_worker.domain.fair_turns import Kind, Work
from recognition_worker.domain.identity import Device, DeviceId, ModelId, OrgId, Site, SiteId
from recognition_worker.domain.site_people import SearchScope
from recognition_worker.domain.turned_images import turned_clockwise
from recognition_worker.metrics import RecognitionMetrics
from recognition_worker.recognition.event_mapping import FIRST_ROUND, HomeOf, image_ref, match_decided
from recognition_worker.recognition.inference import Inference
from recognition_worker.recognition.ports import ImageReader, Knows, MatchPublisher
from recognition_worker.recognition.results import CaptureResult
from recognition_worker.recognition.turned_cameras import TurnedCameras

MS = 1000.0

ScopeOf = Callable[[Site], SearchScope]
"""Whom a capture at a site is compared with."""

TurnOf = Callable[[Device], int]
"""By how many degrees clockwise the images of a device are turned."""

Decides = Callable[[Site, str], ModelId]
"""Which model decides for a device of a site."""


class DecideCapture:
    """The use case; safe to run for many captures at once."""

    def __init__(
        self,
        images: ImageReader,
        inference: Inference,
        matches: MatchPublisher,
        metrics: RecognitionMetrics,
        *,
        scope_of: ScopeOf,
        home_of: HomeOf,
        turn_of: TurnOf,
        decides: Decides,
        knows: Knows,
        now: Callable[[], datetime],
    ) -> None:
        self._images = images
        self._inference = inference
        self._matches = matches
        self._metrics = metrics
        self._turned_cameras = TurnedCameras(metrics)
        self._scope_of = scope_of
        self._home_of = home_of
        self._turn_of = turn_of
        self._decides = decides
        self._knows = knows
        self._now = now

    async def __call__(
        self, capture: CaptureReceived, work: Work, *, decision_round: int = FIRST_ROUND
    ) -> MatchDecided:
        """Decide and publish. work: live or of the backlog, and since when it waits.

        Raises:
            PoisonRecord: the image is missing, altered or no image.
            TransientFailure: the object store or Kafka is away.
        """
        begin = time.perf_counter()
        image = await self._images.read(image_ref(capture.image), work)
        fetched = time.perf_counter()
        # The event's site is the device's when it was received: a device that moves takes no capture along.
        site = Site(OrgId(capture.org_id), SiteId(capture.site_id))
        scope = self._scope_of(site)
        device = Device(site.org_id, DeviceId(capture.device_id))
        turn_degrees = self._turn_of(device)
        known = self._knows()
        result = await self._inference.identify(
            image,
            work=work,
            org_id=site.org_id,
            orientation=turned_clockwise(capture.image.orientation, turn_degrees),
            scope=scope.people,
        )
        # What is not a stage of the use cases was spent waiting for the executor and for the batch.
        queued_ms = (time.perf_counter() - fetched) * MS - _stages_ms(result)
        around = {"fetch": (fetched - begin) * MS, "queue": max(queued_ms, 0.0)}
        counts, *beside = _in_order(result, self._decides(site, capture.device_id))
        event = partial(
            self._event,
            capture,
            camera_notes=self._turned_cameras.notes(device, result.face, turn_degrees),
            around_ms=around,
            known=known,
            decision_round=decision_round,
        )
        match = event(counts)
        begin_publish = time.perf_counter()
        await self._matches.publish(match)
        self._count(match, time.perf_counter() - begin_publish, work.kind)
        self._metrics.search_scope.labels(scope.kind.value).inc()
        self._metrics.other_site_reviews.inc(counts.is_elsewhere)
        for other in beside:
            scored = event(other)
            await self._matches.publish_shadow(scored)
            agrees = (scored.outcome, scored.person_id) == (match.outcome, match.person_id)
            self._metrics.shadow_captures.labels(scored.model_name, "yes" if agrees else "no").inc()
        return match

    def _event(
        self,
        capture: CaptureReceived,
        result: CaptureResult,
        *,
        camera_notes: tuple[str, ...],
        around_ms: Mapping[str, float],
        known: Mapping[ModelId, tuple[int, ...]],
        decision_round: int,
    ) -> MatchDecided:
        return match_decided(
            capture,
            result,
            camera_notes=camera_notes,
            decided_at=self._now(),
            timings_ms=around_ms,
            home_of=self._home_of,
            decision_round=decision_round,
            gallery_offsets=known.get(result.model, ()),
        )

    def _count(self, match: MatchDecided, publish_seconds: float, kind: Kind) -> None:
        self._metrics.captures.labels(match.outcome.value).inc()
        for stage, ms in match.timings_ms.items():
            self._metrics.stage_seconds.labels(stage).observe(ms / MS)
        self._metrics.stage_seconds.labels("publish").observe(publish_seconds)
        self._metrics.waiting_seconds.labels(kind.value).observe(
            (match.recorded_at - match.received_at).total_seconds()
        )


def _in_order(result: CaptureResult, wanted: ModelId) -> list[CaptureResult]:
    """Put the result that counts first: the wanted model's, or the deciding one's when it has none."""
    return sorted([result, *result.others], key=lambda one: one.model != wanted)


def _stages_ms(result: CaptureResult) -> float:
    """Sum the stages of all models; those before the embedding are shared."""
    own = sum(other.timings_ms.get(stage, 0.0) for other in result.others for stage in ("embed", "search"))
    return sum(result.timings_ms.values()) + own
