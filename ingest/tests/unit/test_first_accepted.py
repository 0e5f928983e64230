import pytest

from attendance_schemas.codec import encode_body
from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import CAPTURES, CORRECTIONS, ENROLMENTS, PUNCHES
from ingest.first_accepted import NAMES, first_accepted

ID = next(iter(golden_examples()))[1].event_id


def test_every_kind_that_a_sender_names_has_a_name():
    topics = (CAPTURES, PUNCHES, CORRECTIONS, ENROLMENTS)
    # ingest itself names an erasure.
    assert set(NAMES) == {name for topic in topics for name in topic.events} - {"PersonErased"}


@pytest.mark.parametrize(
    "example", list(golden_examples(*map(EVENT_BY_NAME.get, NAMES))), ids=lambda each: each[0]
)
async def test_what_was_accepted_first_comes_again_to_the_last_byte(images, example):
    _, event, body = example
    assert await first_accepted(event, ID, images, lambda _first, _second: True) == (event, False)
    again, resent = await first_accepted(event, ID, images, lambda _first, _second: True)
    assert (again, resent, encode_body(again)) == (event, True, body)
