"""A small OpenID provider: Authlib's own server for OAuth 2.0 with access tokens by RFC 9068, over TLS.

It is of another making than the verifier, as a site's provider is. Clients get tokens by their credentials;
`rotate` lets it sign with a new key while the old ones are published, `withdraw` publishes the newest alone.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

from local_stack.keys.certificates import Certificate

AUDIENCE = "attendance"


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):
    """Who may have a token, and what it says beside the standard claims."""

    client_id: str
    secret: str
    claims: Mapping[str, Any]

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic" and endpoint == "token"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"


@dataclass(slots=True)
class IdentityProvider:
    """The provider's keys, the last of which signs, and its address."""

    issuer: str = ""
    keys: list[RSAKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rotate()

    def rotate(self) -> None:
        """Sign with a new key from now on; publish the old ones, too."""
        self.keys.append(RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True))

    def withdraw(self) -> None:
        """Publish no key but the one that signs."""
        del self.keys[:-1]

    @property
    def jwks_url(self) -> str:
        return f"{self.issuer}/jwks"


class _Tokens(JWTBearerTokenGenerator):
    def __init__(self, provider: IdentityProvider) -> None:
        super().__init__(issuer=provider.issuer)
        self._provider = provider

    def get_jwks(self) -> KeySet:
        return KeySet(self._provider.keys[-1:])

    def get_audiences(self, client: Client, user: object, scope: str) -> str:
        return AUDIENCE

    def get_extra_claims(self, client: Client, grant_type: str, user: object, scope: str) -> dict[str, Any]:
        return dict(client.claims)


class _ByCredentials(ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)


def _keep_nothing(_token: object, _request: object) -> None:
    """A token is its own record."""


def _app(provider: IdentityProvider, clients: Mapping[str, Client]) -> Flask:
    app = Flask("identity-provider")
    server = AuthorizationServer(app, query_client=clients.get, save_token=_keep_nothing)
    server.register_grant(_ByCredentials)
    server.register_token_generator("default", _Tokens(provider))

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Response:
        return jsonify(
            issuer=provider.issuer,
            jwks_uri=provider.jwks_url,
            token_endpoint=f"{provider.issuer}/token",
            grant_types_supported=["client_credentials"],
            token_endpoint_auth_methods_supported=["client_secret_basic"],
        )

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(KeySet(provider.keys).as_dict(private=False))

    @app.post("/token")
    def token() -> Response:
        return server.create_token_response()

    return app


@contextmanager
def identity_provider(certificate: Certificate, *clients: Client) -> Iterator[IdentityProvider]:
    """Serve on a free port of this machine with this certificate, until the end."""
    provider = IdentityProvider()
    app = Flask("not yet")
    server = make_server(
        "127.0.0.1", 0, app, ssl_context=(str(certificate.cert), str(certificate.key)), threaded=True
    )
    provider.issuer = f"https://127.0.0.1:{server.server_port}"
    server.app = _app(provider, {client.client_id: client for client in clients})
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield provider
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
