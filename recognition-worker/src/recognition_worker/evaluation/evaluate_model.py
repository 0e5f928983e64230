"""Runs the 1:N protocol on photos of known people and of strangers, and hands back what was scored.

The first N photos of a person enrol, the others are captures, each photo of a stranger is a capture. People
with no photo left for a capture are left out, and so are those of whom no photo could be enrolled; both are
counted. The people's mean templates are searched by the gallery that production uses. Of a capture's scores
with other people only the highest are kept, as many as a calibration needs: with 5,000 people all of them
would be hundreds of megabytes.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from recognition_worker.domain.face import Vector
from recognition_worker.domain.identity import PersonId, Template, TemplateId
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.domain.template_choice import mean_template
from recognition_worker.errors import EvaluationRefused
from recognition_worker.evaluation.encode_faces import EVALUATION, Encoded, FaceEncoder
from recognition_worker.evaluation.measured import Attempt, Measured, Others
from recognition_worker.recognition.recognise import Clock, Stopwatch

_BATCH = 16
# Of the scores with other people; a calibration looks at the highest thousandth of all together.
_HIGHEST_SHARE = 0.05
_LEAST_HIGHEST = 64

OnPhotos = Callable[[str, int], None]
"""Told which step is done with how many more photos: `enrol`, `capture` or `stranger`."""


@dataclass(frozen=True, slots=True)
class PersonPhotos:
    """A person's photos in the order of their names, each read when it is called."""

    person_id: PersonId
    photos: tuple[Callable[[], bytes], ...]


class EvaluateModel:
    """The use case. The gallery must be empty, and is the one that a gated encoder looks into."""

    def __init__(self, encoder: FaceEncoder, gallery: InMemoryGallery, clock: Clock) -> None:
        self._encoder = encoder
        self._gallery = gallery
        self._clock = clock
        self._means: list[Vector] = []

    def __call__(
        self,
        known: Sequence[PersonPhotos],
        unknown: Sequence[PersonPhotos],
        *,
        enrol_count: int,
        on_photos: OnPhotos = lambda _step, _count: None,
    ) -> Measured:
        """Enrol, then search every capture.

        Raises:
            EvaluationRefused: nobody has photos enough, nobody could be enrolled, or there are no strangers.
        """
        _refuse_both(known, unknown)
        taking_part = [person for person in known if len(person.photos) > enrol_count]
        refused: Counter[str] = Counter()
        enrolled = self._enrol_all(taking_part, enrol_count, refused, on_photos)
        if not enrolled or not any(person.photos for person in unknown):
            raise EvaluationRefused(
                f"{len(enrolled)} of {len(known)} known people could be enrolled with a photo left "
                f"after {enrol_count}, and there are {len(unknown)} strangers; at least one of each is needed"
            )
        watch = Stopwatch(self._clock)
        everybody = _Everybody(tuple(person.person_id for person in enrolled), np.array(self._means))
        captures = [(one.person_id, read) for one in enrolled for read in one.photos[enrol_count:]]
        probes = self._attempts(captures, everybody, watch, partial(on_photos, "capture"))
        captures = [(one.person_id, read) for one in unknown for read in one.photos]
        strangers = self._attempts(captures, everybody, watch, partial(on_photos, "stranger"))
        ids = {person.person_id for person in enrolled}
        return Measured(
            model=self._encoder.model,
            enrolled=everybody.people,
            not_enrolled=tuple(one.person_id for one in taking_part if one.person_id not in ids),
            left_out=tuple(one.person_id for one in known if len(one.photos) <= enrol_count),
            refused_enrolments=refused,
            probes=probes,
            strangers=strangers,
            seconds=sum(watch.timings_ms.values()) / 1000.0,
        )

    def _enrol_all(
        self,
        people: Sequence[PersonPhotos],
        enrol_count: int,
        refused: Counter[str],
        on_photos: OnPhotos,
    ) -> list[PersonPhotos]:
        enrolled = []
        for person in people:
            if self._enrol(person, enrol_count, refused):
                enrolled.append(person)
            else:
                on_photos("capture", len(person.photos) - enrol_count)
            on_photos("enrol", enrol_count)
        return enrolled

    def _enrol(self, person: PersonPhotos, enrol_count: int, refused: Counter[str]) -> bool:
        photos = [read() for read in person.photos[:enrol_count]]
        encoded = self._encoder.enrol(person.person_id, photos)
        for number, photo in enumerate(encoded):
            refused.update(photo.reasons)
            if photo.embedding is not None:
                template_id = TemplateId(f"{person.person_id}:{number}")
                self._gallery.add(
                    Template(EVALUATION, person.person_id, template_id, self._encoder.model, photo.embedding)
                )
        templates = [photo.embedding for photo in encoded if photo.embedding is not None]
        if templates:
            self._means.append(mean_template(np.array(templates)))
        return bool(templates)

    def _attempts(
        self,
        captures: Sequence[tuple[PersonId, Callable[[], bytes]]],
        everybody: "_Everybody",
        watch: Stopwatch,
        on_photos: Callable[[int], None],
    ) -> tuple[Attempt, ...]:
        attempts: list[Attempt] = []
        for start in range(0, len(captures), _BATCH):
            batch = captures[start : start + _BATCH]
            photos = [read() for _, read in batch]
            with watch.stage("encode"):
                encoded = self._encoder.probe(photos)
            attempts.extend(
                self._search(person_id, one, everybody, watch)
                for (person_id, _), one in zip(batch, encoded, strict=True)
            )
            on_photos(len(batch))
        return tuple(attempts)

    def _search(
        self, person_id: PersonId, encoded: Encoded, everybody: "_Everybody", watch: Stopwatch
    ) -> Attempt:
        if encoded.embedding is None:
            return Attempt(person_id, encoded)
        before_ms = watch.timings_ms.get("search", 0.0)
        with watch.stage("search"):
            best = self._gallery.search(
                encoded.embedding, self._encoder.model, org_id=EVALUATION, limit=2
            ).people
        timings_ms = {**encoded.timings_ms, "search": watch.timings_ms["search"] - before_ms}
        # The scores with everybody, which production never asks for, are not in the time.
        mate_score, others = everybody.compare(person_id, encoded.embedding)
        return Attempt(person_id, replace(encoded, timings_ms=timings_ms), best, mate_score, others)


def _refuse_both(known: Sequence[PersonPhotos], unknown: Sequence[PersonPhotos]) -> None:
    both = {one.person_id for one in known} & {one.person_id for one in unknown}
    if both:
        raise EvaluationRefused(
            f"{sorted(both)[0]} is among the known people and among the strangers; take one of them away"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Everybody:
    """All people enrolled, with their mean templates (p, d)."""

    people: tuple[PersonId, ...]
    means: Vector

    def compare(self, person_id: PersonId, embedding: Vector) -> tuple[float | None, Others]:
        """Return the score with the person shown, if enrolled, and the highest with others."""
        scores = self.means @ embedding
        own = self.people.index(person_id) if person_id in self.people else None
        mate_score = None if own is None else float(scores[own])
        if own is not None:
            scores[own] = -np.inf
        count = len(scores) - (own is not None)
        kept = min(count, max(_LEAST_HIGHEST, round(_HIGHEST_SHARE * count)))
        highest = np.argpartition(-scores, kept - 1)[:kept] if kept else np.zeros(0, np.intp)
        return mate_score, Others(scores[highest], highest.astype(np.int32), count)
