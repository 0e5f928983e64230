"""The key that signs access tokens of a site without an identity provider, and the tokens (RS256)."""

import json
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from attendance_deploy.prepare.addresses import audience, issuer
from attendance_deploy.prepare.secret_files import read_secret

SIGNING_KEY = "token_signing_key"
ALGORITHM = "RS256"
KEY_BITS = 3072


class Role(StrEnum):
    """Whom a token may be for; the services know these roles."""

    ANALYST = "analyst"
    SUPERVISOR = "supervisor"
    HR = "hr"
    OPS = "ops"
    AUDITOR = "auditor"
    DEVICE = "device"


def new_signing_key() -> str:
    """Return a new private key, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().strip()


def public_keys(pem: str) -> str:
    """Return what services check tokens with: the JWKS of a private key."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the signing key is no RSA key")
    public = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return json.dumps({"keys": [{**public, "kid": _key_id(public["n"]), "alg": ALGORITHM, "use": "sig"}]})


def sign_token(
    root: Path,
    *,
    roles: Sequence[str],
    subject: str,
    organisation: str,
    sites: Sequence[str],
    lifetime: timedelta,
) -> str:
    """Sign a token; without sites it is valid for the whole organisation. Raises Refused without a key."""
    pem = read_secret(root, SIGNING_KEY)
    issued = int(time.time())
    claims: dict[str, object] = {
        "iss": issuer(),
        "aud": audience(),
        "sub": subject,
        "roles": list(roles),
        "tenant": organisation,
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
        "jti": str(uuid.uuid4()),
    }
    if sites:
        claims["sites"] = list(sites)
    key_id = json.loads(public_keys(pem))["keys"][0]["kid"]
    return jwt.encode(claims, pem, algorithm=ALGORITHM, headers={"kid": key_id})


def _key_id(modulus: str) -> str:
    return sha256(modulus.encode()).hexdigest()[:16]
