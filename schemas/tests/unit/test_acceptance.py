from uuid import UUID

import pytest

from attendance_schemas.acceptance import (
    UnreadableAcceptance,
    accepted_key,
    decode_accepted,
    encode_accepted,
    identity_of_key,
)
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.golden import golden_examples

IDENTITY = UUID("019cad1e-5a10-7c3e-9f5a-0d4a6e1b2c3d")


@pytest.mark.parametrize(("name", "event"), [(name, event) for name, event, _ in golden_examples()])
def test_every_event_comes_back_as_it_was_accepted(name: str, event: object) -> None:
    assert decode_accepted(encode_accepted(event)) == event, name
    assert type(event).__name__ in EVENT_BY_NAME


def test_what_was_accepted_under_earlier_versions_reads_as_before() -> None:
    # The form lies in buckets for years: it may never change.
    kept = (
        b'{"kind":"PeriodReopened","event":{"event_id":"afbcfc80-aee2-571e-9a42-8b6207f58990",'
        b'"occurred_at":"2026-03-02T02:31:07Z","recorded_at":"2026-03-02T02:31:07Z","org_id":"acme",'
        b'"authority":{"subject":"hr-1","role":"hr","sites":null},'
        b'"reopening_id":"019cad1e-5a10-7c3e-9f5a-0d4a6e1b2c3d",'
        b'"lock_id":"019cad1e-5a10-7c3e-9f5a-0d4a6e1b2c3e","reason":"late leave"}}'
    )
    event = decode_accepted(kept)
    assert encode_accepted(event) == kept
    assert accepted_key(event.org_id, IDENTITY) == f"accepted/acme/{IDENTITY}"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"kind":"Nothing","event":{}}', b'{"kind":"PunchAdded","event":{}}', b"\xff"],
)
def test_what_is_no_acceptance_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnreadableAcceptance, match="no readable event"):
        decode_accepted(data)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (accepted_key("acme", IDENTITY), ("acme", IDENTITY)),
        (f"captures/acme/2026/03/02/{IDENTITY}", ("acme", IDENTITY)),
        ("accepted/acme/readme", None),
        ("accepted", None),
        ("captures/", None),
    ],
)
def test_keys_name_an_organisation_and_an_id(key: str, named: object) -> None:
    assert identity_of_key(key) == named
