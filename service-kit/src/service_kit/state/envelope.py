"""Envelope encryption: data is sealed with a data key, the data key is wrapped with a key-encryption key.

AES-256-GCM both times. To delete the wrapped data key makes every copy of what it sealed unreadable,
wherever the copies are. What is sealed is bound to its owner, the associated data: moved to another place it
does not open. Nonces are random, 96 bits, for at most 2**32 seals per key (NIST SP 800-38D, 8.3): a data key
of one owner stays far below. Key-encryption keys have ids, so that they can be replaced one after the other.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import Field, SecretStr, field_validator

from service_kit.environment import EnvironmentSettings
from service_kit.errors import ServiceKitError

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
# The first byte of everything sealed, so that another cipher can follow; it is authenticated too.
FORMAT = b"\x01"
KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DATA, _KEY = b"data", b"key"


class EnvelopeError(ServiceKitError):
    """Base of what goes wrong with keys and seals; no message holds a key or what is sealed."""


class InvalidKeys(EnvelopeError):
    """The text of the key-encryption keys cannot be used; the message says which entry and why."""


class UnknownKey(EnvelopeError):
    """A data key is wrapped with a key-encryption key that is not configured.

    Attributes:
        key_id: the one that is missing.
    """

    def __init__(self, key_id: str) -> None:
        super().__init__(f"the key-encryption key {key_id!r} is not configured: add it beside the others")
        self.key_id = key_id


class BrokenSeal(EnvelopeError):
    """These bytes were altered, belong to another owner, or were sealed with another key."""


def owner_of(*parts: object) -> bytes:
    """Return associated data of an owner, each part with its length, so that no two lists are equal."""
    encoded = [str(part).encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


class DataKey:
    """Seals and opens the data of one owner. Held in memory only as long as it is used."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidKeys(f"a data key has {KEY_BYTES} bytes, not {len(key)}")
        self._key = key
        self._cipher = AESGCM(key)

    @classmethod
    def new(cls) -> DataKey:
        """Make a random key."""
        return cls(os.urandom(KEY_BYTES))

    def seal(self, data: bytes, owner: bytes) -> bytes:
        """Encrypt for an owner; each call has a nonce of its own. Returns format, nonce, ciphertext, tag."""
        return _seal(self._cipher, data, _DATA + owner)

    def open(self, sealed: bytes, owner: bytes) -> bytes:
        """Decrypt what was sealed for this owner.

        Raises:
            BrokenSeal: altered, of another owner, or of another key.
        """
        return _open(self._cipher, sealed, _DATA + owner)

    def __repr__(self) -> str:
        return "DataKey(...)"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it may be stored: sealed with the key-encryption key of this id."""

    wrapped_with: str
    sealed: bytes


class KeyRing:
    """The key-encryption keys by id. The first wraps; all unwrap."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise InvalidKeys("there is no key-encryption key")
        for key_id, key in keys.items():
            if not KEY_ID.fullmatch(key_id):
                raise InvalidKeys("the id of a key has letters, digits, dot, dash and underscore, at most 64")
            if len(key) != KEY_BYTES:
                raise InvalidKeys(f"key {key_id} has {len(key)} bytes, it must be {KEY_BYTES}, in base64")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._current = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read `ID:BASE64` entries, separated by commas or white space, the one that wraps first.

        Raises:
            InvalidKeys: names the entry by its place and id, never by its value.
        """
        keys: dict[str, bytes] = {}
        for number, entry in enumerate(re.split(r"[,\s]+", text.strip()), start=1):
            key_id, colon, encoded = entry.partition(":")
            if not (colon and key_id):
                raise InvalidKeys(f"entry {number} is not ID:BASE64")
            if key_id in keys:
                raise InvalidKeys(f"two keys have the id {key_id}")
            try:
                keys[key_id] = base64.b64decode(encoded, altchars=b"-_", validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidKeys(f"entry {number}, key {key_id}, is not base64") from error
        return cls(keys)

    @property
    def current_id(self) -> str:
        """Return the id of the key that wraps."""
        return self._current

    def knows(self, key_id: str) -> bool:
        """Say whether data keys wrapped with this key can be unwrapped."""
        return key_id in self._ciphers

    def wrap(self, data_key: DataKey, owner: bytes) -> WrappedKey:
        """Return a data key of an owner as it may be stored."""
        sealed = _seal(self._ciphers[self._current], data_key._key, _KEY + owner_of(self._current) + owner)
        return WrappedKey(self._current, sealed)

    def unwrap(self, wrapped: WrappedKey, owner: bytes) -> DataKey:
        """Return the data key that was wrapped for this owner.

        Raises:
            UnknownKey: its key-encryption key is not configured.
            BrokenSeal: altered, of another owner, or another key has this id.
        """
        cipher = self._ciphers.get(wrapped.wrapped_with)
        if cipher is None:
            raise UnknownKey(wrapped.wrapped_with)
        return DataKey(_open(cipher, wrapped.sealed, _KEY + owner_of(wrapped.wrapped_with) + owner))

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._ciphers)})"


def new_key(key_id: str) -> str:
    """Make a key-encryption key and return it as an entry, `ID:BASE64`."""
    if not KEY_ID.fullmatch(key_id):
        raise InvalidKeys("the id of a key has letters, digits, dot, dash and underscore, at most 64")
    return f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode('ascii')}"


class KeyRingSettings(EnvironmentSettings):
    """Key-encryption keys; a service gives the group its prefix, and says how to make a key.

    In files: with SECRETS_DIR, as everything else.
    """

    advice: ClassVar[str] = "make one with `echo ID:$(openssl rand -base64 32)`"

    keys: SecretStr = Field(
        default=SecretStr(""),
        validate_default=True,
        description="ID:BASE64 of 32 bytes, several separated by commas; the first encrypts, all decrypt",
    )

    @field_validator("keys")
    @classmethod
    def _usable(cls, keys: SecretStr) -> SecretStr:
        text = keys.get_secret_value()
        if not text.strip():
            raise ValueError(f"there is no key; {cls.advice}")
        try:
            KeyRing.parse(text)
        except InvalidKeys as error:
            raise ValueError(f"{error}; {cls.advice}") from error
        return keys

    @cached_property
    def ring(self) -> KeyRing:
        """The keys, ready for use."""
        return KeyRing.parse(self.keys.get_secret_value())


def _seal(cipher: AESGCM, data: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return FORMAT + nonce + cipher.encrypt(nonce, data, FORMAT + associated)


def _open(cipher: AESGCM, sealed: bytes, associated: bytes) -> bytes:
    if len(sealed) < len(FORMAT) + NONCE_BYTES + TAG_BYTES or sealed[:1] != FORMAT:
        raise BrokenSeal("these bytes are not sealed in a format that this version knows")
    nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return cipher.decrypt(nonce, rest, FORMAT + associated)
    except InvalidTag as error:
        raise BrokenSeal("altered, of another owner, or sealed with another key") from error
