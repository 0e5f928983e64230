"""The models that are known by their manifests, found by name or by name@version.

A manifest of the operator's folder stands beside the packaged ones, and in place of one with the same name
and version: that is how thresholds of one's own cameras, or a digest that nobody stated, come in.
"""

from collections.abc import Iterable, Iterator

from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.errors import ModelRefused


class ModelRegistry:
    """Manifests by name and version."""

    def __init__(self, packaged: Iterable[ModelManifest], added: Iterable[ModelManifest] = ()) -> None:
        """Keep both; an added one replaces a packaged one of the same name and version.

        Raises:
            ModelRefused: two different models have one version; decisions name their model by it.
        """
        self._packaged = {manifest.model: manifest for manifest in packaged}
        self._all = {**self._packaged, **{manifest.model: manifest for manifest in added}}
        by_version: dict[str, ModelId] = {}
        for model in self._all:
            other = by_version.setdefault(model.version, model)
            if other != model:
                raise ModelRefused(
                    f"the models {other} and {model} have the same version, but the ids of decisions are "
                    "made of it: give one of the manifests a version of its own"
                )

    def __iter__(self) -> Iterator[ModelManifest]:
        return iter(sorted(self._all.values(), key=lambda manifest: (manifest.name, manifest.version)))

    def find(self, wanted: str) -> ModelManifest:
        """Return the manifest of NAME or NAME@VERSION; case does not matter, a packaged version goes first.

        Raises:
            ModelRefused: there is none, or several versions and none of them packaged.
        """
        name, at, version = wanted.partition("@")
        found = [m for m in self._all.values() if m.name.lower() == name.lower()]
        if at:
            found = [manifest for manifest in found if manifest.version == version]
        elif len(found) > 1:
            found = [manifest for manifest in found if manifest.model in self._packaged] or found
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{model.name}@{model.version}" for model in sorted(self._all, key=str))
        if found:
            raise ModelRefused(f"there are several versions of {name}: name one of {known}")
        raise ModelRefused(
            f"there is no model {wanted!r}; known are {known}. Put a manifest of your own (*.toml) into the "
            "folder that RECOGNITION_WORKER_MODEL_REGISTRY names"
        )

    def in_force(
        self, model: ModelId, *, target_fpir: float, calibration: ModelManifest | None = None
    ) -> ModelManifest:
        """Return the manifest of a model with the thresholds that decisions follow.

        calibration: thresholds of one's own, for the model that it names. A model without any keeps none.

        Raises:
            ModelRefused: there is no such model, the calibration is of another file, or there are no
                thresholds for this target.
        """
        manifest = self.of(model)
        if calibration is not None and calibration.model == model:
            manifest = manifest.calibrated_by(calibration)
        return manifest.for_target(target_fpir) if manifest.calibrated else manifest

    def of(self, model: ModelId) -> ModelManifest:
        """Return the manifest of a model and version.

        Raises:
            ModelRefused: there is none.
        """
        return self.find(f"{model.name}@{model.version}")
