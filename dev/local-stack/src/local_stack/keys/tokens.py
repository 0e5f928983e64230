"""Signs access tokens for people and devices with a key made at the first start (RS256)."""

import json
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from local_stack.errors import LocalStackError
from local_stack.files import write_private
from local_stack.settings import command_for

ISSUER = "urn:local-stack:issuer"
AUDIENCE = "attendance"
ALGORITHM = "RS256"
KEY_BITS = 2048


class Role(StrEnum):
    """Whom a token may be for; the services know these roles."""

    ANALYST = "analyst"
    SUPERVISOR = "supervisor"
    HR = "hr"
    OPS = "ops"
    AUDITOR = "auditor"
    DEVICE = "device"


def jwks_path(folder: Path) -> Path:
    """Return the path of the public keys (JWKS)."""
    return folder / "keys" / "jwks.json"


def _key_path(folder: Path) -> Path:
    return folder / "keys" / "issuer.pem"


def ensure_key(folder: Path) -> None:
    """Make the signing key and its JWKS when they are not there yet."""
    if jwks_path(folder).exists():
        return
    # Only making and using a key needs the library; every other command reads addresses.
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    key_id = sha256(public["n"].encode()).hexdigest()[:16]
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    _key_path(folder).parent.mkdir(parents=True, exist_ok=True)
    write_private(_key_path(folder), pem)
    jwks = {"keys": [{**public, "kid": key_id, "alg": ALGORITHM, "use": "sig"}]}
    # Last, because its presence says that the pair is complete.
    write_private(jwks_path(folder), json.dumps(jwks, indent=2) + "\n")


def sign_token(
    folder: Path,
    *,
    roles: Sequence[str],
    subject: str,
    organisation: str,
    sites: Sequence[str] = (),
    lifetime: timedelta = timedelta(hours=8),
) -> str:
    """Sign a token for the subject; without sites it is valid for the whole organisation.

    Raises:
        LocalStackError: the stack has not been started yet, so there is no key.
    """
    if not jwks_path(folder).exists():
        raise LocalStackError(
            f"There is no signing key in {folder}; run `{command_for(folder, 'up')}` first."
        )
    import jwt

    key_id = json.loads(jwks_path(folder).read_text())["keys"][0]["kid"]
    issued = int(time.time())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "roles": list(roles),
        "tenant": organisation,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": str(uuid.uuid4()),
    }
    if sites:
        claims["sites"] = list(sites)
    return jwt.encode(claims, _key_path(folder).read_text(), algorithm=ALGORITHM, headers={"kid": key_id})
