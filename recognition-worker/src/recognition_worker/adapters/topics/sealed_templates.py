"""Seals the embedding of a template with its person's data key, and opens it again.

What is sealed is bound to its organisation, person, template, model and key: moved to another record it does
not open. A wrapped data key is bound to its organisation, person and id.
"""

from uuid import UUID

import msgspec

from attendance_schemas.events import EmbeddingEncoding, TemplateEnrolled
from recognition_worker.domain.identity import Person
from recognition_worker.domain.person_keys import KeyId, PersonKey
from service_kit.state.envelope import DataKey, KeyRing, WrappedKey, owner_of


def wrap(ring: KeyRing, data_key: DataKey, person: Person, key_id: KeyId) -> WrappedKey:
    """Wrap a data key for its person."""
    return ring.wrap(data_key, _key_owner(person, key_id))


def unwrap(ring: KeyRing, key: PersonKey) -> DataKey:
    """Return the data key of a person.

    Raises:
        EnvelopeError: the key-encryption key is not configured, or the key was altered.
    """
    owner = _key_owner(key.person, key.key_id)
    return ring.unwrap(WrappedKey(key.wrapped_with, key.wrapped_key), owner)


def seal(template: TemplateEnrolled, key_id: KeyId, data_key: DataKey) -> TemplateEnrolled:
    """Return a readable template (FLOAT32_LE) sealed; the same again gives other bytes, which open alike."""
    if template.embedding_encoding is not EmbeddingEncoding.FLOAT32_LE:
        raise ValueError(f"template {template.template_id} is sealed already")
    return msgspec.structs.replace(
        template,
        embedding=data_key.seal(template.embedding, _template_owner(template, key_id)),
        embedding_encoding=EmbeddingEncoding.AES256_GCM_FLOAT32_LE,
        data_key_id=UUID(key_id),
    )


def opened(template: TemplateEnrolled, key_id: KeyId, data_key: DataKey) -> TemplateEnrolled:
    """Return a sealed template readable.

    Raises:
        EnvelopeError: altered, moved here from another record, or sealed with another key.
    """
    return msgspec.structs.replace(
        template,
        embedding=data_key.open(template.embedding, _template_owner(template, key_id)),
        embedding_encoding=EmbeddingEncoding.FLOAT32_LE,
        data_key_id=None,
    )


def _key_owner(person: Person, key_id: KeyId) -> bytes:
    return owner_of("person-key", *person, key_id)


def _template_owner(template: TemplateEnrolled, key_id: KeyId) -> bytes:
    return owner_of(
        "template",
        template.org_id,
        template.person_id,
        template.template_id,
        template.model_name,
        template.model_version,
        template.dimensions,
        key_id,
    )
