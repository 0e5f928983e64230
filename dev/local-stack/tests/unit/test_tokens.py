import json
import stat
from datetime import timedelta
from pathlib import Path

import jwt
import pytest

from local_stack.errors import LocalStackError
from local_stack.keys.tokens import AUDIENCE, ISSUER, ensure_key, jwks_path, sign_token


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stack")
    ensure_key(made)
    return made


def verify(folder: Path, token: str) -> dict[str, object]:
    keys = jwt.PyJWKSet.from_json(jwks_path(folder).read_text())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)


def test_token_carries_the_claims_that_services_read(folder: Path) -> None:
    token = sign_token(folder, roles=["analyst", "hr"], subject="kim", organisation="acme", sites=["north"])
    claims = verify(folder, token)
    assert claims["sub"] == "kim"
    assert claims["roles"] == ["analyst", "hr"]
    assert claims["tenant"] == "acme"
    assert claims["sites"] == ["north"]


def test_token_without_sites_is_for_the_whole_organisation(folder: Path) -> None:
    token = sign_token(folder, roles=["ops"], subject="kim", organisation="acme")
    assert "sites" not in verify(folder, token)


def test_expired_token_is_refused(folder: Path) -> None:
    token = sign_token(
        folder, roles=["ops"], subject="kim", organisation="acme", lifetime=timedelta(seconds=-1)
    )
    with pytest.raises(jwt.ExpiredSignatureError):
        verify(folder, token)


def test_key_is_made_once_and_private(folder: Path) -> None:
    before = jwks_path(folder).read_text()
    ensure_key(folder)
    assert jwks_path(folder).read_text() == before
    assert stat.S_IMODE((folder / "keys" / "issuer.pem").stat().st_mode) == 0o600
    assert "d" not in json.loads(before)["keys"][0]


def test_missing_key_is_explained(tmp_path: Path) -> None:
    with pytest.raises(LocalStackError, match="local-stack up"):
        sign_token(tmp_path, roles=["ops"], subject="kim", organisation="acme")
