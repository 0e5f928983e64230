"""No liveness check: nobody is suspected, and nothing is claimed.

The default; docs/recognition/liveness.md says why.
"""

from recognition_worker.domain.face import DetectedFace, Pixels


class LivenessOff:
    """A LivenessCheck. Stateless, safe between threads."""

    def suspicions(self, pixels: Pixels, face: DetectedFace) -> tuple[str, ...]:  # noqa: ARG002 - the port's shape
        """Return no suspicion."""
        return ()
