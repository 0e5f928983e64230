"""The record keys of templates and of data keys: `ORG:PERSON:ID`. No id holds a colon."""

import sys

from recognition_worker.domain.identity import OrgId, Person, PersonId

_PARTS = 3


def record_key(person: Person, last: str) -> bytes:
    """Return the record key of what a person has under an id."""
    return f"{person.org_id}:{person.person_id}:{last}".encode()


def split_key(key: bytes | None) -> tuple[Person, str]:
    """Return whose record it is, and the id.

    Raises:
        ValueError: it is no such key; the message does not repeat it, for it may name a person.
    """
    parts = (key or b"").decode("utf-8", "replace").split(":")
    if len(parts) != _PARTS or not all(parts) or "\N{REPLACEMENT CHARACTER}" in "".join(parts):
        raise ValueError("the record key is not ORG:PERSON:ID")
    org_id, person_id, last = parts
    return Person(OrgId(sys.intern(org_id)), PersonId(person_id)), last
