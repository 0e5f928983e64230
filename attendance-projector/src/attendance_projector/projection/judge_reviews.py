"""Which reviews of a capture count, and whom it shows in the end.

A review moves a capture from the person whom it shows until then to another one. It counts when the authority
of its maker reaches the capture's site, the home of the former person and the home of the new one; what does
not count moves nothing. Reviews are read in the order in which they were recorded, beginning with whom
recognition identified, so it is the same in whatever order they arrive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from attendance_projector.domain.authority import covers
from attendance_projector.projection.refusals import OUT_OF_SCOPE, RefusedFact
from attendance_projector.projection.stored import FactKey, KnownCapture, KnownReview
from attendance_schemas.events import Outcome, ReviewDecided


@dataclass(frozen=True, slots=True)
class Shown:
    """Whom a capture shows (None: nobody who counts), and their home as the deciding fact says."""

    person_id: str | None
    home_site_id: str | None = None


@dataclass(frozen=True, slots=True)
class Folded:
    """Whom a capture shows in the end, the reviews that count, and those that do not."""

    shown: Shown
    accepted: tuple[FactKey, ...] = ()
    refused: tuple[RefusedFact, ...] = ()


def identified(capture: KnownCapture) -> Shown:
    """Return whom recognition identified."""
    if capture.outcome != Outcome.IDENTIFIED:
        return Shown(None)
    return Shown(capture.person_id, capture.person_home_site_id)


def fold_reviews(capture: KnownCapture, reviews: Iterable[KnownReview]) -> Folded:
    """Read the reviews of a capture in the order in which they were recorded."""
    shown, accepted, refused = identified(capture), [], []
    for review in sorted(reviews, key=lambda each: (each.recorded_at, each.review_id)):
        after = Shown(review.person_id, review.home_site_id)
        homes = [each.home_site_id for each in (shown, after) if each.person_id is not None]
        if covers(review.sites, capture.site_id, *homes):
            shown = after
            accepted.append(review.key)
        else:
            refused.append(_refused(review, capture, shown))
    return Folded(shown, tuple(accepted), tuple(refused))


def _refused(review: KnownReview, capture: KnownCapture, shown: Shown) -> RefusedFact:
    """Say where the authority ends, without telling whom the capture shows."""
    if not covers(review.sites, capture.site_id):
        what = f"capture {capture.capture_id} is at site {capture.site_id}"
    elif shown.person_id is not None and not covers(review.sites, shown.home_site_id):
        what = f"capture {capture.capture_id} shows somebody of another site"
    else:
        what = f"{review.person_id} is of another site"
    return RefusedFact(
        org_id=review.org_id,
        kind=ReviewDecided.__name__,
        fact_id=str(review.review_id),
        reason=OUT_OF_SCOPE,
        detail=f"{what}, and {review.made_by} acts for {', '.join(sorted(review.sites or ()))} only; ask "
        "somebody who acts for both",
        person_id=review.person_id,
        site_id=capture.site_id,
        device_id=None,
        made_by=review.made_by,
        about_on=capture.occurred_at.astimezone(UTC).date(),
        recorded_at=review.recorded_at,
    )
