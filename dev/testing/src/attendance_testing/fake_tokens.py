"""Tokens that are their claims as JSON, for tests of routes that do not sign anything."""

import json

from service_kit.errors import InvalidToken
from service_kit.http.tokens import Claims


async def always_ready() -> None:
    """Let every request in."""


class FakeVerifier:
    """A token is its claims as JSON."""

    async def verify(self, token: str) -> Claims:
        """Read the claims; raise InvalidToken when they are no JSON."""
        try:
            claims = json.loads(token)
        except ValueError as error:
            raise InvalidToken("not a token") from error
        sites = frozenset(claims["sites"]) or None
        return Claims(claims["sub"], frozenset(claims["roles"]), claims["tenant"], sites, claims)


def bearer(subject: str, *roles: str, tenant: str = "acme", sites: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the header of a request by `subject`; without `sites` the token is for all of them."""
    token = json.dumps({"sub": subject, "roles": roles, "tenant": tenant, "sites": sites})
    return {"Authorization": f"Bearer {token}"}


GATE, FOREMAN, HR = bearer("gate-1", "device"), bearer("foreman", "supervisor"), bearer("hr-1", "hr")
