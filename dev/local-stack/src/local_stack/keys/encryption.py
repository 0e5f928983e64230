"""Keeps the key-encryption key of the templates, made at the first start beside the one that signs tokens."""

import secrets
from base64 import b64encode
from pathlib import Path

from local_stack.files import write_private

KEY_ID = "local"
KEY_BYTES = 32


def _key_path(folder: Path) -> Path:
    return folder / "keys" / "template-encryption.keys"


def template_encryption_keys(folder: Path) -> str:
    """Return the keys as services read them, ID:BASE64; make one when there is none yet."""
    path = _key_path(folder)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        key = b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
        write_private(path, f"{KEY_ID}:{key}\n")
    return path.read_text(encoding="utf-8").strip()
