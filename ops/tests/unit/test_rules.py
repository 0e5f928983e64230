import random
from datetime import UTC, datetime

import pytest

from attendance_ops.dead_letters.rules import RULES, UNKNOWN, rule_of
from service_kit.dead_letters.letters import Origin

REASONS = (*{rule.reason for rule in RULES if rule.reason}, "something-new")
PARTS = (
    "schema id 7 is not in the registry",
    "body does not read",
    "no answer within 5 s",
    "out of memory",
    "connection refused",
    "Confluent framing",
    "a newer version wrote this",
    "bytes are left",
)


def origin(reason: str, error: str) -> Origin:
    at = datetime(2026, 11, 30, tzinfo=UTC)
    return Origin(reason, error, 1, "attendance.captures", 0, 1, "recognition-worker", "1", at)


def test_ten_thousand_texts_have_at_most_twenty_labels() -> None:
    chance = random.Random(1)
    texts = {
        f"{chance.choice(REASONS)}: {chance.choice(PARTS)} {number} {chance.random()}"
        for number in range(10_000)
    }
    labels = {rule_of(origin(text.partition(":")[0], text)).label for text in texts}
    assert len(texts) == 10_000
    assert 5 < len(labels) <= 20
    assert UNKNOWN in labels


@pytest.mark.parametrize(
    ("reason", "error", "label"),
    [
        ("undecodable", "undecodable: a newer version wrote this CaptureReceived: …", "newer-schema"),
        ("undecodable", "undecodable: schema id 9 is not in the registry", "unknown-schema"),
        ("undecodable", "undecodable: the value is not Avro in Confluent framing (byte 0", "not-avro"),
        ("undecodable", "undecodable: bytes are left after the PunchAdded", "wrong-body"),
        ("image-missing", "image-missing: no object captures/…", "image-missing"),
        ("fails-alone", "fails-alone: postgres: timed out on each of 5 tries", "timeout"),
        ("fails-alone", "fails-alone: KeyError on each of 5 tries", "fails-alone"),
        ("something-new", "something-new: …", UNKNOWN),
    ],
)
def test_the_first_rule_that_fits_names_it(reason: str, error: str, label: str) -> None:
    assert rule_of(origin(reason, error)).label == label


def test_a_letter_without_its_headers_is_unknown() -> None:
    assert rule_of(None).label == UNKNOWN


def test_every_label_is_one_rule_and_helps() -> None:
    assert len({rule.label for rule in RULES}) == len(RULES)
    assert all(rule.advice for rule in RULES)
