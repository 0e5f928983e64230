"""The errors of this package: one base, one class per thing the caller treats differently."""


class RecognitionError(Exception):
    """Something in recognition went wrong; the message says what, where, and what to do next."""


class UndecodableImage(RecognitionError):
    """The bytes are no image that this service accepts, and never will be: poison for the caller.

    others_pass: images that are known to be good were decoded at this moment, so it is the image's fault.
    """

    def __init__(self, message: str, *, others_pass: bool = False) -> None:
        super().__init__(message)
        self.others_pass = others_pass


class ModelRefused(RecognitionError):
    """A model file, manifest or licence is not what it must be; the service must not start."""


class KeysRefused(RecognitionError):
    """The key-encryption keys do not open what is stored; the service must not start."""


class PositionsLost(RecognitionError):
    """The group has worked here before and its positions are gone; the service must not guess new ones."""


class PositionsRefused(RecognitionError):
    """Positions of the group cannot be set now; the message says what comes before it."""


class ConsumerBroken(RecognitionError):
    """Records can no longer be taken from Kafka; only a new start helps."""


class ModelMismatch(RecognitionError):
    """An embedding of one model met a gallery of another; such a comparison means nothing."""


class EvaluationRefused(RecognitionError):
    """The photos or the pairs file do not make an evaluation; the message says what is missing."""


class RolloutRefused(RecognitionError):
    """A step of a model's rollout is not possible now; the message says what comes before it."""
