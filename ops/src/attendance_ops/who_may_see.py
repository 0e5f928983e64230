"""Who may see names, badges, object keys and embeddings: who brings a token with the role hr or auditor."""

from attendance_ops.errors import NotAllowed
from attendance_ops.settings import Settings
from service_kit.errors import InvalidToken
from service_kit.http.tokens import TokenVerifier
from service_kit.settings import AuthSettings

ROLES = frozenset({"hr", "auditor"})


async def sees_all(settings: Settings) -> bool:
    """Tell whether the token of the settings opens what is sensitive; without a token it stays masked.

    Raises:
        NotAllowed: the token is not valid, or has neither role.
        SettingsError: AUTH_* does not say whose tokens count.
        TransientFailure: the issuer's keys cannot be fetched.
    """
    if settings.token is None:
        return False
    try:
        claims = await TokenVerifier(AuthSettings.load()).verify(settings.token.get_secret_value())
    except InvalidToken as error:
        raise NotAllowed(f"OPS_TOKEN: {error}; take it away, or bring one that is valid") from error
    if not claims.roles & ROLES:
        raise NotAllowed(
            f"OPS_TOKEN: {claims.subject} has neither of the roles {' and '.join(sorted(ROLES))}"
        )
    return True
