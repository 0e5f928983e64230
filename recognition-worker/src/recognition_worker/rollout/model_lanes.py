"""A lane is one model from crop to answer: its embedder, the gallery of its templates, and its use cases."""

from dataclasses import dataclass

from recognition_worker.domain.identity import ModelId
from recognition_worker.domain.landmark_layout import LandmarkLayout
from recognition_worker.domain.model_manifest import ModelManifest
from recognition_worker.domain.search.gallery import InMemoryGallery
from recognition_worker.recognition.enrol_person import EnrolPerson
from recognition_worker.recognition.identify_capture import IdentifyCapture
from recognition_worker.recognition.ports import Embedder
from recognition_worker.recognition.recognise import Clock, FaceAnalyser


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """A loaded model. Galleries of different lanes never meet."""

    manifest: ModelManifest
    embedder: Embedder
    gallery: InMemoryGallery
    analyser: FaceAnalyser
    identify: IdentifyCapture
    enrol: EnrolPerson

    @classmethod
    def over(
        cls,
        analyser: FaceAnalyser,
        embedder: Embedder,
        gallery: InMemoryGallery,
        manifest: ModelManifest,
        clock: Clock,
    ) -> "Lane":
        """Put the use cases together over shared eyes."""
        own = analyser.cutting(manifest.layout)
        return cls(
            manifest,
            embedder,
            gallery,
            own,
            IdentifyCapture(own, embedder, gallery, manifest, clock),
            EnrolPerson(own, embedder, gallery, manifest, clock),
        )

    @property
    def model(self) -> ModelId:
        """Return the model and its version."""
        return self.manifest.model

    @property
    def layout(self) -> LandmarkLayout:
        """Return where the model wants the face."""
        return self.manifest.layout
