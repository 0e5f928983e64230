"""What may not agree, in words, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, of so many things, and what mends it."""

    words: str
    repair: str


AGAIN = "--apply publishes the event again, from what was accepted first"
FINDINGS: Mapping[str, Finding] = {
    "missing-event": Finding("accepted and stored, and on no topic", AGAIN),
    "undecided": Finding("read by recognition, and no decision and no dead letter is on a topic", AGAIN),
    "not-shown": Finding("read by the projector, and no table shows what became of it", AGAIN),
    "image-gone": Finding(
        "accepted, and the image is not in the object store", "bring the bucket back from its copy"
    ),
    "acceptance-gone": Finding(
        "on a topic, and what it was accepted as is not in the object store",
        "bring the bucket back from its copy; until then a resend may be refused",
    ),
    "hole": Finding("numbers that a device never sent", "only the device has them: see whether it is well"),
    "other-content": Finding(
        "one id with several contents", "look: attendance-ops trace ID; the first counts"
    ),
    "number-reused": Finding(
        "one number of a device with several ids", "look at the device: it lost its count"
    ),
    "unfinished-upload": Finding(
        "begun, without an image: not acknowledged, so the device has it", "the device sends it again"
    ),
    "orphan-image": Finding(
        "an image of nothing that was accepted", "nobody needs it; look before removing it"
    ),
    "unreadable-object": Finding(
        "an object that ingest did not write so", "find out who put it into the bucket"
    ),
}
"""By name, in the order in which they are told."""
REPAIRABLE = ("missing-event", "undecided", "not-shown")
