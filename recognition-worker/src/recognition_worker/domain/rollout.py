"""Which model decides about a capture while another is rolled out beside it. The same for all workers.

A canary is stable by device: a device stays with its model while the share grows, and people who come to the
same kiosk meet the same model each day. A promotion keeps the former model beside the new one, so that its
templates stay complete and a roll back needs no enrolment.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from recognition_worker.domain.identity import ModelId, OrgId, Site
from recognition_worker.errors import RolloutRefused

_HUNDREDTHS = 10_000


class Mode(StrEnum):
    """What the candidate does; the symbols are those of ModelRolloutRecorded."""

    SINGLE = "SINGLE"
    SHADOW = "SHADOW"
    CANARY = "CANARY"


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What is wanted. percent: the share of devices whose captures the candidate decides; sites: besides.

    promoted_from: the model that decided before the last promotion.
    """

    deciding: ModelId
    mode: Mode = Mode.SINGLE
    candidate: ModelId | None = None
    percent: int = 0
    sites: tuple[Site, ...] = ()
    promoted_from: ModelId | None = None

    @property
    def models(self) -> tuple[ModelId, ...]:
        """Return the models to be loaded, the deciding one first."""
        return (self.deciding,) if self.candidate is None else (self.deciding, self.candidate)

    def decides(self, site: Site, device_id: str) -> ModelId:
        """Return the model whose decision counts for a capture of a device of a site."""
        if self.mode is not Mode.CANARY or self.candidate is None:
            return self.deciding
        place = _place(self.candidate, site.org_id, device_id)
        chosen = site in self.sites or place < self.percent * 100
        return self.candidate if chosen else self.deciding

    def without_canary(self) -> "RolloutPlan":
        """Return the plan with the candidate in the shadow."""
        return replace(self, mode=Mode.SHADOW, percent=0, sites=()) if self.candidate else self

    def shadow(self, candidate: ModelId) -> "RolloutPlan":
        """Run a candidate beside the deciding model.

        Raises:
            RolloutRefused: it is the deciding model.
        """
        if candidate == self.deciding:
            raise RolloutRefused(f"{candidate} decides already; name another model")
        kept = self.promoted_from if candidate == self.promoted_from else None
        return RolloutPlan(self.deciding, Mode.SHADOW, candidate, promoted_from=kept)

    def canary(self, candidate: ModelId, percent: int, sites: tuple[Site, ...]) -> "RolloutPlan":
        """Let a candidate decide for a share of the devices and for some sites.

        Raises:
            RolloutRefused: it did not run in the shadow before, or for nobody at all.
        """
        self._require_beside(candidate)
        if not percent and not sites:
            raise RolloutRefused("a canary for no device: name --percent from 1 to 100, or a --site")
        return replace(self, mode=Mode.CANARY, percent=percent, sites=tuple(sorted(set(sites))))

    def promote(self, candidate: ModelId) -> "RolloutPlan":
        """Let the candidate decide everywhere; the former model goes on in the shadow.

        Raises:
            RolloutRefused: it did not run beside the deciding model before.
        """
        self._require_beside(candidate)
        return RolloutPlan(candidate, Mode.SHADOW, self.deciding, promoted_from=self.deciding)

    def roll_back(self) -> "RolloutPlan":
        """Take the last step back: a canary into the shadow, a promotion to the model before.

        Raises:
            RolloutRefused: there is no such step.
        """
        if self.mode is Mode.CANARY:
            return self.without_canary()
        if self.promoted_from is None:
            raise RolloutRefused(
                f"there is nothing to roll back: {self.deciding} decides and was not promoted; to take a "
                "candidate out of the shadow, use finish"
            )
        return RolloutPlan(self.promoted_from, Mode.SHADOW, self.deciding)

    def finish(self) -> "RolloutPlan":
        """Leave the deciding model alone; afterwards a roll back has to enrol what came since."""
        return RolloutPlan(self.deciding)

    def _require_beside(self, candidate: ModelId) -> None:
        if candidate != self.candidate:
            running = f"{self.candidate} does" if self.candidate else "no model does"
            raise RolloutRefused(
                f"{candidate} does not run beside {self.deciding} ({running}): start with shadow, so that "
                "its templates become complete and it can be compared"
            )


def _place(candidate: ModelId, org_id: OrgId, device_id: str) -> int:
    """Return a device's fixed place from 0 to 9999; each candidate has an order of its own."""
    digest = hashlib.sha256(f"{candidate}\x1f{org_id}\x1f{device_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % _HUNDREDTHS
