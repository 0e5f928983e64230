"""Who asks: devices and people by their tokens, devices also by the directory, where they can be revoked."""

from collections.abc import Awaitable, Callable

from ingest.domain.actor import Actor
from ingest.domain.capture import DEVICE, Device
from ingest.domain.identifiers import IDENTIFIER
from ingest.ports import Directory
from service_kit.http.bearer import Credentials, claims_of
from service_kit.http.problems import Problem
from service_kit.http.tokens import Claims, Verifier


class Doorkeeper:
    """Tells devices and people from others; all are asked to come back while `ready` raises TransientFailure.

    It does while the directory is not read yet, or is behind: somebody may have revoked a device meanwhile.
    """

    def __init__(
        self, verifier: Verifier, directory: Directory, ready: Callable[[], Awaitable[None]]
    ) -> None:
        self._verifier = verifier
        self._directory = directory
        self._ready = ready

    async def device(self, credentials: Credentials) -> Device:
        """Return the device of a token. Raises Problem 401 or 403, or TransientFailure."""
        claims = await self._claims(credentials)
        if DEVICE not in claims.roles:
            raise Problem(
                403,
                "not-a-device",
                "Not a device token",
                f"{claims.subject} lacks the role {DEVICE}",
            )
        found = self._directory.view.device(claims.tenant, claims.subject)
        if found is None:
            raise Problem(
                403,
                "unknown-device",
                "The device is not recorded",
                f"Device {claims.subject} is not recorded in organisation {claims.tenant}; "
                f"keep the captures and ask ops to PUT /v1/directory/devices/{claims.subject}",
            )
        if found.revoked:
            raise Problem(
                403,
                "revoked-device",
                "The device is revoked",
                f"Device {claims.subject} is revoked; stop, and ask ops to enrol it again",
            )
        if claims.sites is not None and found.site_id not in claims.sites:
            raise Problem(
                403,
                "device-at-another-site",
                "The token is not for the site of the device",
                f"Device {claims.subject} is at site {found.site_id}, its token for {sorted(claims.sites)}; "
                "keep the captures and ask ops for a token of its site",
            )
        return Device(device_id=found.device_id, org_id=found.org_id, site_id=found.site_id)

    async def person(self, credentials: Credentials) -> Actor:
        """Return the person of a token; what they may do is decided where it is done."""
        claims = await self._claims(credentials)
        return Actor(subject=claims.subject, org_id=claims.tenant, roles=claims.roles, sites=claims.sites)

    async def _claims(self, credentials: Credentials) -> Claims:
        await self._ready()
        claims = await claims_of(credentials, self._verifier)
        if not IDENTIFIER.fullmatch(claims.tenant):
            # It begins record keys and object keys, where a separator would reach into another organisation.
            raise Problem(
                403,
                "invalid-organisation",
                "The organisation of the token has no valid id",
                "The claim tenant takes letters, digits, dot, dash and underscore, at most 64",
            )
        return claims
