"""What is wrong with a dead letter, in few words, and what to do: the first rule that fits says it.

Errors differ in ids and sizes; people need to see how many of which kind there are. What no rule knows is
`unknown`, and stays so until somebody writes a rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service_kit.dead_letters.letters import Origin

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Rule:
    """A label for letters with this reason and a text like this; and what helps.

    comes_back: sent again as it is, it would be a dead letter again.
    """

    label: str
    advice: str
    reason: str | None = None
    text: str | None = None
    comes_back: bool = False

    def fits(self, origin: Origin) -> bool:
        """Tell whether a letter is of this kind."""
        return (self.reason is None or self.reason == origin.reason) and (
            self.text is None or re.search(self.text, origin.error, re.IGNORECASE) is not None
        )


NEWER = "update the service that reads the topic, then redrive"
RULES: tuple[Rule, ...] = (
    Rule("newer-schema", NEWER, "undecodable", "newer version wrote"),
    Rule(
        "unknown-schema",
        "run `attendance-schemas apply`, then redrive",
        "undecodable",
        "schema id|not in the registry",
    ),
    Rule(
        "not-avro", "its producer is wrong; discard it", "undecodable", "Confluent framing", comes_back=True
    ),
    Rule("wrong-body", "its producer is wrong; discard it", "undecodable", comes_back=True),
    Rule(
        "unexpected-event",
        "it lies on the wrong topic; redrive nothing, ask who produced it",
        "unexpected-event",
        comes_back=True,
    ),
    Rule("image-not-an-image", "the device sent no picture; discard", "undecodable-image", comes_back=True),
    Rule(
        "image-changed",
        "the object store has other bytes than were sent; restore them, then redrive",
        "image-altered",
    ),
    Rule("image-missing", "restore it in the object store, then redrive", "image-missing"),
    Rule("contradiction", "facts that cannot both hold; look at it, correct or discard", "facts-contradict"),
    Rule("too-large", "raise max.message.bytes of the topic, then redrive", "record-too-large"),
    Rule("unfit-for-schema", "a release is wrong; deploy the fix, then redrive", "unfit-for-schema"),
    Rule("no-such-topic", "run `attendance-schemas apply`, then redrive", "no-such-topic"),
    Rule("out-of-memory", "fix the release or give it more memory, then redrive", "fails-alone", "memory"),
    Rule(
        "timeout",
        "the record is slow to handle; look at it, then redrive",
        "fails-alone",
        "timeout|timed out|no answer",
    ),
    Rule(
        "refused-by-server",
        "look at the error, mend it, then redrive",
        "fails-alone",
        "refused|denied|forbidden|403|401",
    ),
    Rule("fails-alone", "others pass and this one does not; look at the error, then redrive", "fails-alone"),
)
_UNKNOWN = Rule(UNKNOWN, "look at one with `dlq show`, and tell the maintainers")


def rule_of(origin: Origin | None) -> Rule:
    """Return the rule of a letter; `unknown` where no other fits, or its headers are not there."""
    if origin is None:
        return _UNKNOWN
    return next((rule for rule in RULES if rule.fits(origin)), _UNKNOWN)
