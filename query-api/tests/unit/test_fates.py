"""What is said of fates agrees with the contract."""

from datetime import timedelta

from attendance_schemas.events import EVENT_BY_NAME
from attendance_schemas.topics import CAPTURES, CAPTURES_BACKLOG
from query_api.domain.fates import CAPTURE, CORRECTION, ENROLMENT, ERASURE, PUNCH


def test_a_capture_waits_as_long_as_its_topics_keep_it() -> None:
    for topic in (CAPTURES, CAPTURES_BACKLOG):
        assert timedelta(milliseconds=int(topic.settings["retention.ms"])) == CAPTURE.waits_at_most


def test_every_kind_names_events_of_the_contract() -> None:
    for kind in (CAPTURE, CORRECTION, ENROLMENT, ERASURE, PUNCH):
        assert set(kind.events) <= set(EVENT_BY_NAME)
