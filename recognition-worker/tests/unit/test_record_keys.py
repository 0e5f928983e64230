import pytest

from attendance_schemas.events import PersonKeyIssued, TemplateEnrolled
from attendance_schemas.golden import golden_examples
from attendance_schemas.topics import GALLERY, PERSON_KEYS
from recognition_worker.domain.identity import OrgId, Person, PersonId
from recognition_worker.recognition.event_mapping import person_of
from recognition_worker.recognition.record_keys import record_key, split_key

ADA = Person(OrgId("acme"), PersonId("ada"))


def test_a_key_says_whose_record_it_is() -> None:
    assert split_key(record_key(ADA, "t")) == (ADA, "t")


def test_keys_are_those_of_the_topic_files() -> None:
    for _, event, _ in golden_examples(TemplateEnrolled, PersonKeyIssued):
        match event:
            case TemplateEnrolled():
                assert GALLERY.key_of(event) == record_key(person_of(event), str(event.template_id))
            case PersonKeyIssued():
                assert PERSON_KEYS.key_of(event) == record_key(person_of(event), str(event.key_id))


@pytest.mark.parametrize(
    "key", [None, b"", b"ada", b"ada:t", b":ada:t", b"acme::t", b"acme:ada:", b"a:ada:t:x", b"acme:ada\xff:t"]
)
def test_other_keys_are_refused_without_repeating_them(key: bytes | None) -> None:
    with pytest.raises(ValueError, match="ORG:PERSON:ID") as failure:
        split_key(key)
    assert "ada" not in str(failure.value)
