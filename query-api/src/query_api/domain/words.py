"""The words that a field of an answer takes: the description of the API lists them, so that clients can."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import WithJsonSchema

from attendance_schemas.events import AttendanceStatus, Direction, EnrolmentOutcome, Outcome, TimeTrust


class LockState(StrEnum):
    """How far a lock of a period is."""

    RECORDED = "RECORDED"
    SEALED = "SEALED"
    IN_FORCE = "IN_FORCE"
    REOPENED = "REOPENED"


def _one_of(words: Iterable[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [str(word) for word in words]})


StatusWord = Annotated[str, _one_of(AttendanceStatus)]
OutcomeWord = Annotated[str, _one_of(Outcome)]
EnrolmentOutcomeWord = Annotated[str, _one_of(EnrolmentOutcome)]
DirectionWord = Annotated[str, _one_of(Direction)]
TimeTrustWord = Annotated[str, _one_of(TimeTrust)]
LockStateWord = Annotated[str, _one_of(LockState)]
