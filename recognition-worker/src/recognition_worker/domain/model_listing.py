"""Says of each known model what could be done with it now: decide, be evaluated, or nothing, and why."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.errors import ModelRefused


class ModelState(StrEnum):
    """What a model is good for."""

    READY = "ready"
    UNCALIBRATED = "uncalibrated"
    REFUSED_LICENCE = "refused: licence"
    REFUSED_WEIGHTS = "refused: weights"


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One line of the list. detail: where its weights are, or what to do about the refusal."""

    name: str
    version: str
    licence: str
    dimensions: int
    input: str
    normalisation: str
    sha256: str
    state: ModelState
    detail: str
    thresholds: tuple[dict[str, object], ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return asdict(self)


def list_models(
    manifests: Iterable[ModelManifest], weights_place: Callable[[ModelManifest], str]
) -> list[ListedModel]:
    """Judge each manifest. weights_place: where the proven weights are, or raises ModelRefused."""
    return [_listed(manifest, weights_place) for manifest in manifests]


def _listed(manifest: ModelManifest, weights_place: Callable[[ModelManifest], str]) -> ListedModel:
    state, detail = _state(manifest, weights_place)
    if manifest.licence_note and state is not ModelState.REFUSED_LICENCE:
        detail = f"{detail}. Licence: {manifest.licence_note}"
    layout = manifest.layout
    zoom = f", zoom {layout.zoom:g}" if layout.zoom != 1.0 else ""
    return ListedModel(
        name=manifest.name,
        version=manifest.version,
        licence=manifest.licence,
        dimensions=manifest.dimensions,
        input=f"{layout.size} px, {layout.name} layout{zoom}",
        normalisation=manifest.normalisation,
        sha256=manifest.sha256,
        state=state,
        detail=detail,
        thresholds=tuple(
            {
                "people_up_to": point.people_up_to,
                "threshold": point.threshold,
                "margin": point.margin,
                "review_threshold": point.review_threshold,
            }
            for point in manifest.operating_points
        ),
    )


def _state(manifest: ModelManifest, weights_place: Callable[[ModelManifest], str]) -> tuple[ModelState, str]:
    try:
        manifest.check_licence()
    except ModelRefused as refusal:
        return ModelState.REFUSED_LICENCE, str(refusal)
    try:
        place = weights_place(manifest)
    except ModelRefused as refusal:
        return ModelState.REFUSED_WEIGHTS, str(refusal)
    try:
        manifest.check_calibrated()
    except ModelRefused as refusal:
        return ModelState.UNCALIBRATED, str(refusal)
    return ModelState.READY, place
