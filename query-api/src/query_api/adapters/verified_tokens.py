"""Callers from tokens of the organisation's issuer, verified against its published keys."""

from query_api.domain.scope import Caller
from service_kit.errors import InvalidToken
from service_kit.http.tokens import TokenVerifier
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class VerifiedTokens:
    """Implements the port TokenReader. Raises TransientFailure while the issuer's keys cannot be fetched."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def caller(self, token: str) -> Caller | None:
        """Return who holds the token, or None when it is not to be trusted."""
        try:
            claims = await self._verifier.verify(token)
        except InvalidToken as error:
            log.info("token refused", reason=str(error))
            return None
        return Caller(subject=claims.subject, roles=claims.roles, org_id=claims.tenant, sites=claims.sites)
