import base64
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service_kit.errors import SettingsError
from service_kit.state.envelope import (
    FORMAT,
    KEY_BYTES,
    NONCE_BYTES,
    BrokenSeal,
    DataKey,
    InvalidKeys,
    KeyRing,
    KeyRingSettings,
    UnknownKey,
    WrappedKey,
    new_key,
    owner_of,
)

OWNER = owner_of("org", "who", "which")
SECRET = b"nobody may read this"


def entry(key_id: str, fill: int) -> str:
    return f"{key_id}:{base64.b64encode(bytes([fill]) * KEY_BYTES).decode()}"


def test_what_is_sealed_opens_again_and_is_not_readable() -> None:
    key = DataKey.new()
    sealed = key.seal(SECRET, OWNER)
    assert SECRET not in sealed
    assert key.open(sealed, OWNER) == SECRET
    assert key.open(key.seal(b"", OWNER), OWNER) == b""


def test_every_altered_byte_is_noticed() -> None:
    key = DataKey.new()
    sealed = key.seal(SECRET, OWNER)
    for at in range(len(sealed)):
        altered = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(BrokenSeal):
            key.open(altered, OWNER)
    for shorter in (b"", sealed[:10], sealed[:-1]):
        with pytest.raises(BrokenSeal):
            key.open(shorter, OWNER)


def test_another_key_and_another_owner_do_not_open() -> None:
    key = DataKey.new()
    sealed = key.seal(SECRET, OWNER)
    with pytest.raises(BrokenSeal):
        DataKey.new().open(sealed, OWNER)
    with pytest.raises(BrokenSeal):
        key.open(sealed, owner_of("org", "somebody", "which"))


def test_owners_that_read_alike_are_not_the_same() -> None:
    alike = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc")]
    assert len({owner_of(*parts) for parts in alike}) == len(alike)


def test_nonces_never_repeat() -> None:
    key = DataKey.new()
    nonces = {key.seal(SECRET, OWNER)[len(FORMAT) : len(FORMAT) + NONCE_BYTES] for _ in range(20_000)}
    assert len(nonces) == 20_000


def test_a_seal_is_plain_aes_256_gcm() -> None:
    """Another implementation can read it: format, nonce, ciphertext with tag; format and owner associated."""
    raw = bytes(range(KEY_BYTES))
    sealed = DataKey(raw).seal(SECRET, OWNER)
    assert AESGCM(raw).decrypt(sealed[1:13], sealed[13:], b"\x01data" + OWNER) == SECRET


def test_a_data_key_is_wrapped_for_its_owner() -> None:
    ring = KeyRing.parse(entry("2026", 1))
    key = DataKey.new()
    sealed = key.seal(SECRET, OWNER)
    wrapped = ring.wrap(key, OWNER)
    assert wrapped.wrapped_with == "2026"
    assert ring.unwrap(wrapped, OWNER).open(sealed, OWNER) == SECRET
    with pytest.raises(BrokenSeal):
        ring.unwrap(wrapped, owner_of("org", "somebody"))
    with pytest.raises(BrokenSeal):
        ring.unwrap(WrappedKey("2026", wrapped.sealed[:-1] + b"\0"), OWNER)


def test_keys_rotate_by_their_ids() -> None:
    old, new = entry("2025", 1), entry("2026", 2)
    key = DataKey.new()
    before = KeyRing.parse(old).wrap(key, OWNER)
    both = KeyRing.parse(f"{new},{old}")
    assert both.current_id == "2026"
    again = both.wrap(both.unwrap(before, OWNER), OWNER)
    assert again.wrapped_with == "2026"
    only_new = KeyRing.parse(new)
    assert only_new.unwrap(again, OWNER).open(key.seal(SECRET, OWNER), OWNER) == SECRET
    assert not only_new.knows("2025")
    with pytest.raises(UnknownKey, match="'2025' is not configured") as failure:
        only_new.unwrap(before, OWNER)
    assert failure.value.key_id == "2025"


def test_another_key_under_the_same_id_is_noticed() -> None:
    wrapped = KeyRing.parse(entry("2026", 1)).wrap(DataKey.new(), OWNER)
    with pytest.raises(BrokenSeal):
        KeyRing.parse(entry("2026", 2)).unwrap(wrapped, OWNER)
    swapped = KeyRing.parse(f"{entry('2026', 1)} {entry('other', 1)}")
    with pytest.raises(BrokenSeal):
        swapped.unwrap(WrappedKey("other", wrapped.sealed), OWNER)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "entry 1 is not ID:BASE64"),
        ("hunter2hunter2", "entry 1 is not ID:BASE64"),
        (f"{entry('a', 1)},:hunter2", "entry 2 is not ID:BASE64"),
        ("a:hunter2!!", "entry 1, key a, is not base64"),
        ("a:aHVudGVyMg==", "key a has 7 bytes, it must be 32"),
        (f"{entry('a', 1)}\n{entry('a', 2)}", "two keys have the id a"),
        (entry("a/b", 1), "the id of a key"),
    ],
)
def test_unusable_keys_are_refused_without_showing_them(text: str, says: str) -> None:
    with pytest.raises(InvalidKeys, match=says) as failure:
        KeyRing.parse(text)
    assert "hunter2" not in str(failure.value)
    assert "aHVudGVy" not in str(failure.value)


def test_new_keys_are_usable_and_differ() -> None:
    first, second = new_key("k1"), new_key("k2")
    assert first.partition(":")[2] != second.partition(":")[2]
    assert KeyRing.parse(f"{first},{second}").current_id == "k1"
    with pytest.raises(InvalidKeys):
        new_key("no spaces")


def test_nothing_shows_a_key() -> None:
    key, ring = DataKey(b"k" * KEY_BYTES), KeyRing.parse(entry("a", ord("k")))
    for shown in (repr(key), str(key), repr(ring), str(ring)):
        assert "kkkk" not in shown
    with pytest.raises(InvalidKeys, match="32 bytes, not 3"):
        DataKey(b"abc")


class SafeSettings(KeyRingSettings):
    env_prefix: ClassVar[str] = "SAFE_"
    advice: ClassVar[str] = "make one with `safe new-key`"


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFE_KEYS", f"{entry('b', 2)},{entry('a', 1)}")
    settings = SafeSettings.load()
    assert settings.ring.current_id == "b"
    assert entry("b", 2)[2:] not in repr(settings)


def test_keys_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "safe_keys").write_text(f"{entry('b', 2)}\n{entry('a', 1)}\n")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    assert SafeSettings.load().ring.knows("a")


@pytest.mark.parametrize(("value", "says"), [(None, "there is no key"), ("a:hunter2", "is not base64|bytes")])
def test_without_a_usable_key_the_error_says_how_to_make_one(
    monkeypatch: pytest.MonkeyPatch, value: str | None, says: str
) -> None:
    monkeypatch.delenv("SECRETS_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("SAFE_KEYS", value)
    with pytest.raises(SettingsError, match=f"SAFE_KEYS: .*({says}).*safe new-key") as failure:
        SafeSettings.load()
    assert "hunter2" not in str(failure.value)
